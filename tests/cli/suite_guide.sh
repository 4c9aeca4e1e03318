# shellcheck shell=bash disable=SC2154,SC2016 # run.sh sets them; backquotes are those of the document
# SPDX-License-Identifier: Apache-2.0
# docs/policy-and-secrets.md, followed: its files are written, its commands run, in its order. What
# a command prints is what stands below it, where `…` is any text. Questions are asked again until
# the answer is as it stands there.
guide=$root/docs/policy-and-secrets.md
mkdir guide
cd guide || return
ran=0

# Runs one command of the document; $wanted has the lines below it.
run() { # command
    local want=0 line=$1 pattern out rc end=$((SECONDS + 60))
    if [[ $line =~ ^(.*[^ ])\ +#\ exit\ ([0-9]+)$ ]]; then
        line=${BASH_REMATCH[1]} want=${BASH_REMATCH[2]}
    fi
    if [[ $line == 'trellis up '* ]]; then
        read -ra words <<<"${line#trellis up }"
        start_up "${words[@]}" || return
        ran=$((ran + 1))
        return
    fi
    pattern=$(sed -E -e 's/[]\\*?[]/\\&/g' -e 's/ +$//' -e 's/…/*/g' <<<"$wanted")
    while :; do
        out=$(eval "$line" 2>&1 </dev/null)
        rc=$?
        out=$(sed -E 's/ +$//' <<<"$out")
        # shellcheck disable=SC2053 # it is a pattern
        [ $rc -eq "$want" ] && [[ $out == $pattern ]] && break
        case $line in
        *' list'* | *' log'* | *' status '* | *' explain '* | *' check '* | *' events '* | *' plan '* | *' history '*)
            [ $SECONDS -lt $end ] && continue ;;
        esac
        fail "exit $rc (expected $want): $line"
        diff <(echo "$wanted") <(echo "$out") >&2
        return 1
    done
    ran=$((ran + 1))
}

# A line of the document, by where it stands: in text, in a file's block, in a block of commands.
where=text file='' append='' command='' wanted=''
end_command() {
    [ -z "$command" ] || run "$command" || { command=; return 1; }
    command='' wanted=''
}
follow() {
    local line
    while IFS= read -r line <&3; do
        case $where:$line in
        text:'```console') where=console ;;
        text:'```yaml')
            [ -n "$file" ] || { fail "a block without the name of its file"; return 1; }
            [ -n "$append" ] || : >"$file"
            where=yaml ;;
        yaml:'```') where=text file='' append='' ;;
        yaml:*) printf '%s\n' "$line" >>"$file" ;;
        console:'```')
            where=text
            end_command || return ;;
        console:'$ '*)
            end_command || return
            command=${line#'$ '} ;;
        console:*) wanted+=${wanted:+$'\n'}$line ;;
        text:*'`:')
            file=${line%'`:'} file=${file##*'`'} append=
            [[ $line == 'Append to '* ]] && append=yes ;;
        esac
    done
}
follow 3<<<"$(sed 's/\r$//' "$guide")"
[ "$ran" -ge 24 ] || fail "only $ran commands of the guide were run"
cd "$work" || return
[ -z "$up" ] || stop_up INT 0
grep -rlE 'correct horse|battery staple' up.log state run && fail "a value was written down"
true
