# Runs a language's package manager below the home, as a script under Node like npm.
printf 'console.log("npm")\n' >/home/openclaw/npm-cli.js
node /home/openclaw/npm-cli.js install >/dev/null
