// A program that logs in as the guide does, connects with the token, and does what it is told.
// Arguments: url login OPTIONS | url logout; the test hears the context, then what came of it.

import { args, failure, hyphaWebsocketClient, say, url } from "./client.mjs";

const [action, options] = [args[0], JSON.parse(args[1] ?? "{}")];
const calls = {
  async login() {
    const result = await hyphaWebsocketClient.login({
      server_url: url,
      login_callback: (context) => say({ login_url: context.login_url, key: context.key }),
      ...options,
    });
    const token = result.token ?? result;
    const server = await hyphaWebsocketClient.connectToServer({ server_url: url, token });
    say({ result, workspace: server.config.workspace, user: server.config.user.id });
    await server.disconnect();
  },
  async logout() {
    let told = null;
    const context = await hyphaWebsocketClient.logout({
      server_url: url,
      logout_callback: (given) => { told = given.logout_url; },
    });
    say({ logout_url: context.logout_url, told });
  },
};

const error = await failure(calls[action]);
if (error !== null) say({ error });
process.exit(0);
