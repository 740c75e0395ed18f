# A package manager of a language works below the home: what npm is, a script that Node runs.
printf 'console.log("npm")\n' >/home/openclaw/npm-cli.js
node /home/openclaw/npm-cli.js install >/dev/null
