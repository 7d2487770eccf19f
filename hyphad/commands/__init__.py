"""The subcommands that do something at once and end; each module is imported when it is called."""
