// What the login pages do better with scripts; all of them work without.

// A code that stands behind # in a link goes into its field, and out of the address bar.
for (const field of document.querySelectorAll("[data-from-hash]")) {
  if (location.hash.length > 1) {
    field.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname + location.search);
  }
}

// Two passwords that differ are told before the form is sent.
const password = document.getElementById("password");
const again = document.getElementById("again");
if (password && again) {
  const compare = () => again.setCustomValidity(
    again.value === password.value ? "" : "The two passwords are not the same.");
  password.addEventListener("input", compare);
  again.addEventListener("input", compare);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const source = document.getElementById(button.dataset.copy);
  button.hidden = false;
  button.addEventListener("click", async () => {
    source.select();
    try { await navigator.clipboard.writeText(source.value); } catch { document.execCommand("copy"); }
    button.textContent = "Copied";
  });
}

for (const button of document.querySelectorAll("[data-confirm]")) {
  button.addEventListener("click", (event) => {
    if (!window.confirm(button.dataset.confirm)) event.preventDefault();
  });
}

// A page around this one is told that its program has a token now; the token itself is not said.
function reportLoginComplete(key) {
  if (window.parent !== window) {
    window.parent.postMessage({ type: "hypha-login-complete", key }, "*");
  } else {
    setTimeout(() => window.close(), 2000);
  }
}

const done = document.getElementById("done");
if (done) reportLoginComplete(done.dataset.key);

const signedOut = document.getElementById("signed-out");
if (signedOut) {
  localStorage.removeItem("hypha_token");
  localStorage.removeItem("hypha_user_profile");
  if ("close" in signedOut.dataset) setTimeout(() => window.close(), 500);
}
