# bash completion for bulkhead
_bulkhead() {
  local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    COMPREPLY=($(compgen -W 'mount umount status info ls tree stat cat extents cp rm mkdir mv ln chmod truncate install-service completion --help --version' -- "$current"))
    return
  fi
  case ${COMP_WORDS[1]} in
    mount)
      case $previous in
        -o|--options) _bulkhead_list 'rw ro offset= partition= sb= noload cache_size= errors= bsddf minixdf block_validity noblock_validity allow_other default_permissions grpid nogrpid debug nosuid suid nodev dev noexec exec nosymfollow symfollow relatime noatime nodiratime diratime strictatime nostrictatime lazytime nolazytime commit= data= journal_path= journal_async_commit discard nodiscard barrier nobarrier sync async dirsync usrquota grpquota prjquota noquota resuid= resgid= writeback_cache nowriteback_cache iomap= iomap_cache noiomap_cache restarts= norestart'; return ;;
        --log) COMPREPLY=($(compgen -f -- "$current")); return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-o --options -f --foreground --log --uncontained -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    umount)
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-l --lazy -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -d -- "$current"))
      ;;
    status)
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--json -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -d -- "$current"))
      ;;
    info)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--offset --partition --sb --noload --cache-size --json -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    ls)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-a --all -l --long -i --inode -R --recursive --json --offset --partition --sb --noload --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    tree)
      case $previous in
        -L|--depth) :; return ;;
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-L --depth -a --all --offset --partition --sb --noload --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    stat)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--json --offset --partition --sb --noload --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    cat)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--offset --partition --sb --noload --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    extents)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--json --offset --partition --sb --noload --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    cp)
      case $previous in
        --no-preserve) _bulkhead_list 'mode ownership timestamps xattr links all'; return ;;
        --owner) :; return ;;
        --offset) :; return ;;
        --partition) :; return ;;
        --sb) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-r --recursive --no-preserve -n --no-clobber -v --verbose -q --quiet --owner --offset --partition --sb --noload --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    rm)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-r --recursive -f --force --offset --partition --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    mkdir)
      case $previous in
        -m|--mode) :; return ;;
        --owner) :; return ;;
        --offset) :; return ;;
        --partition) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-p --parents -m --mode --owner --offset --partition --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    mv)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-n --no-clobber --offset --partition --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    ln)
      case $previous in
        --owner) :; return ;;
        --offset) :; return ;;
        --partition) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-s --symbolic --owner --offset --partition --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    chmod)
      case $previous in
        --offset) :; return ;;
        --partition) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--offset --partition --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    truncate)
      case $previous in
        -s|--size) :; return ;;
        --owner) :; return ;;
        --offset) :; return ;;
        --partition) :; return ;;
        --cache-size) :; return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-s --size -c --no-create --owner --offset --partition --cache-size -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current"))
      ;;
    install-service)
      case $previous in
        --group) :; return ;;
        --socket-directory) :; return ;;
        --root) :; return ;;
        --node) COMPREPLY=($(compgen -f -- "$current")); return ;;
      esac
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '--paranoid --group --socket-directory --root --node --remove -h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -d -- "$current"))
      ;;
    completion)
      if [[ $current == -* ]]; then COMPREPLY=($(compgen -W '-h --help' -- "$current")); return; fi
      COMPREPLY=($(compgen -W 'bash zsh fish' -- "$current"))
      ;;
  esac
}
_bulkhead_list() {
  local done= last=$current
  if [[ $current == *,* ]]; then done=${current%,*},; last=${current##*,}; fi
  COMPREPLY=($(compgen -P "$done" -W "$1" -- "$last"))
  compopt -o nospace
}
complete -o filenames -F _bulkhead bulkhead
