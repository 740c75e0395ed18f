/** Each shell asks the command itself at each TAB, so that a script need not know any option. */
export const SHELLS = ["bash", "zsh", "fish"] as const;

/** What the scripts run. The last argument is the word that is being typed. */
export const ASK = "__complete";

export const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
	bash: `# Completes openclaw-sidecar in bash: source <(openclaw-sidecar completion bash)
_openclaw_sidecar() {
	local line kind=none current=\${COMP_WORDS[COMP_CWORD]}
	[[ $current == = ]] && current=
	COMPREPLY=()
	while IFS= read -r line; do
		case $line in
			:*) kind=\${line#:} ;;
			*) COMPREPLY+=("\${line%%$'\\t'*}") ;;
		esac
	done < <(openclaw-sidecar ${ASK} "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	local action
	case $kind in
		files) action=-f ;;
		dirs) action=-d ;;
		*) return ;;
	esac
	compopt -o filenames 2>/dev/null
	while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$action" -- "$current")
}
complete -F _openclaw_sidecar openclaw-sidecar
`,
	zsh: `#compdef openclaw-sidecar
# Completes openclaw-sidecar in zsh: source <(openclaw-sidecar completion zsh), after compinit.
# Or put this file into a directory of $fpath as _openclaw-sidecar.
_openclaw_sidecar() {
	local line kind=none
	local -a found
	while IFS= read -r line; do
		case $line in
			(:*) kind=\${line#:} ;;
			(*) found+=("\${\${line%%$'\\t'*}//:/\\\\:}:\${line#*$'\\t'}") ;;
		esac
	done < <(openclaw-sidecar ${ASK} "\${(@)words[2,CURRENT]}" 2>/dev/null)
	(( $#found )) && _describe -V openclaw-sidecar found
	case $kind in
		(files) _files ;;
		(dirs) _files -/ ;;
	esac
}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
	_openclaw_sidecar "$@"
else
	compdef _openclaw_sidecar openclaw-sidecar
fi
`,
	fish: `# Completes openclaw-sidecar in fish: save as ~/.config/fish/completions/openclaw-sidecar.fish
function __openclaw_sidecar
	set -l before (commandline -opc)
	set -l current (commandline -ct)
	for line in (openclaw-sidecar ${ASK} $before[2..-1] "$current" 2>/dev/null)
		switch $line
			case ':files'
				__fish_complete_path "$current"
			case ':dirs'
				__fish_complete_directories "$current" ''
			case ':none'
			case '*'
				echo $line
		end
	end
end
complete -c openclaw-sidecar -f -a '(__openclaw_sidecar)'
`,
};
