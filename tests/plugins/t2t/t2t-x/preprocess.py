raise SystemExit("a script that registers nothing")
