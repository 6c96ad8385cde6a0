raise SystemExit("a script beside the plugin, which T2T never imported")
