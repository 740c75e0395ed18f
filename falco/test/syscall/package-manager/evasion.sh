# Through a symbolic link with another name.
for program in /usr/bin/apt-get /sbin/apk /usr/bin/dnf /usr/bin/yum /usr/bin/rpm /usr/bin/zypper /usr/bin/pacman; do
	if [ -x $program ]; then ln -s $program /tmp/tool; exec /tmp/tool --version >/dev/null; fi
done
echo "no package manager is here"
exit 1
