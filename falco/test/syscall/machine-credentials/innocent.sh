# Looks users up, reads the certificates that everybody trusts, asks for credentials that are not there.
id >/dev/null
cat /etc/passwd /etc/group >/dev/null
cat /etc/ssl/certs/ca-certificates.crt /home/openclaw/.netrc >/dev/null 2>&1
node -e 'require("node:os").userInfo()' 2>/dev/null
exit 0
