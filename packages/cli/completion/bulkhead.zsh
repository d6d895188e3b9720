#compdef bulkhead
_bulkhead() {
  if ((CURRENT == 2)); then
    local -a commands
    commands=(
      'mount:mount an image or a device through FUSE'
      'umount:unmount what bulkhead mounted'
      'status:list mounts, or show how one'\''s server is contained'
      'info:show what kind of file system it is, and how full'
      'ls:list directories'
      'tree:show directories as a tree'
      'stat:show all attributes of files'
      'cat:write files to standard output'
      'extents:show where a file'\''s data lies on the device'
      'cp:copy files out of an image, into one, or from one to another'
      'rm:remove files in an image'
      'mkdir:make directories in an image'
      'mv:move or rename files in an image'
      'ln:link files in an image'
      'chmod:change permissions of files in an image'
      'truncate:set the size of files in an image'
      'install-service:have systemd start the servers of mounts, and mount(8) find them'
      'completion:print a completion script for a shell'
    )
    _describe command commands
    return
  fi
  local command=${words[2]}
  shift words
  ((CURRENT--))
  case $command in
    mount)
      _arguments -s \
        '*-o[Mount options, separated by commas; see MOUNT OPTIONS in the manual.]:LIST:_values -s , options rw ro offset= partition= sb= noload cache_size= errors= bsddf minixdf block_validity noblock_validity allow_other default_permissions grpid nogrpid debug nosuid suid nodev dev noexec exec nosymfollow symfollow relatime noatime nodiratime diratime strictatime nostrictatime lazytime nolazytime commit= data= journal_path= journal_async_commit discard nodiscard barrier nobarrier sync async dirsync usrquota grpquota prjquota noquota resuid= resgid= writeback_cache nowriteback_cache iomap= iomap_cache noiomap_cache restarts= norestart' \
        '*--options[Mount options, separated by commas; see MOUNT OPTIONS in the manual.]:LIST:_values -s , options rw ro offset= partition= sb= noload cache_size= errors= bsddf minixdf block_validity noblock_validity allow_other default_permissions grpid nogrpid debug nosuid suid nodev dev noexec exec nosymfollow symfollow relatime noatime nodiratime diratime strictatime nostrictatime lazytime nolazytime commit= data= journal_path= journal_async_commit discard nodiscard barrier nobarrier sync async dirsync usrquota grpquota prjquota noquota resuid= resgid= writeback_cache nowriteback_cache iomap= iomap_cache noiomap_cache restarts= norestart' \
        '(-f --foreground)-f[Stay, and log to standard error, until unmounted or interrupted.]' \
        '(-f --foreground)--foreground[Stay, and log to standard error, until unmounted or interrupted.]' \
        '--log[Append the server'\''s log lines to FILE; default\: the system log (logger).]:FILE:_files' \
        '--uncontained[Open, mount and serve in one process, with all that the caller may do. Only for images that are trusted as the kernel'\''s own ext4 would have to trust them. There is no keeper then, and no other server when that one dies (restarts= has no effect).]' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:SOURCE:_files' \
        '2:MOUNTPOINT:_directories'
      ;;
    umount)
      _arguments -s \
        '(-l --lazy)-l[Detach at once even if files are open; they stay usable until they are closed.]' \
        '(-l --lazy)--lazy[Detach at once even if files are open; they stay usable until they are closed.]' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:MOUNTPOINT:_directories'
      ;;
    status)
      _arguments -s \
        '--json[Print JSON.]' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:MOUNTPOINT:_directories'
      ;;
    info)
      _arguments -s \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '--json[Print JSON.]' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:SOURCE:_files'
      ;;
    ls)
      _arguments -s \
        '(-a --all)-a[Show names that start with a dot, too.]' \
        '(-a --all)--all[Show names that start with a dot, too.]' \
        '(-l --long)-l[Show type and permissions, links, owner, group, size and time of modification.]' \
        '(-l --long)--long[Show type and permissions, links, owner, group, size and time of modification.]' \
        '(-i --inode)-i[Show inode numbers.]' \
        '(-i --inode)--inode[Show inode numbers.]' \
        '(-R --recursive)-R[List directories inside as well.]' \
        '(-R --recursive)--recursive[List directories inside as well.]' \
        '--json[Print JSON.]' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    tree)
      _arguments -s \
        '(-L --depth)-L[Go no deeper than N directories.]:N:' \
        '(-L --depth)--depth[Go no deeper than N directories.]:N:' \
        '(-a --all)-a[Show names that start with a dot, too.]' \
        '(-a --all)--all[Show names that start with a dot, too.]' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:IMAGE\:/PATH:_files'
      ;;
    stat)
      _arguments -s \
        '--json[Print JSON.]' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    cat)
      _arguments -s \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    extents)
      _arguments -s \
        '--json[Print JSON.]' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:IMAGE\:/PATH:_files'
      ;;
    cp)
      _arguments -s \
        '(-r --recursive)-r[Copy directories with all that is in them.]' \
        '(-r --recursive)--recursive[Copy directories with all that is in them.]' \
        '*--no-preserve[Do not keep these\: mode (copies get what the umask leaves of 666, directories of 777), ownership, timestamps, xattr (ACLs are among them), links, or all; separated by commas.]:LIST:_values -s , no-preserve mode ownership timestamps xattr links all' \
        '(-n --no-clobber)-n[Leave files alone that are there already, instead of replacing them.]' \
        '(-n --no-clobber)--no-clobber[Leave files alone that are there already, instead of replacing them.]' \
        '(-v --verbose)-v[Print each file when it is done.]' \
        '(-v --verbose)--verbose[Print each file when it is done.]' \
        '(-q --quiet)-q[Show no progress bar.]' \
        '(-q --quiet)--quiet[Show no progress bar.]' \
        '--owner[Whose new files are, in numbers; default the caller'\''s. For systems that boot from the image\: 0\:0.]:UID:GID:' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--sb[Use the copy of the superblock at N KiB instead of the primary one.]:N:' \
        '--noload[Do not replay the journal (which happens in memory; the image is never changed).]' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:SOURCE:_files'
      ;;
    rm)
      _arguments -s \
        '(-r --recursive)-r[Remove directories with all that is in them.]' \
        '(-r --recursive)--recursive[Remove directories with all that is in them.]' \
        '(-f --force)-f[Say nothing of files that are not there.]' \
        '(-f --force)--force[Say nothing of files that are not there.]' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    mkdir)
      _arguments -s \
        '(-p --parents)-p[Make those above as well; none that is there is an error.]' \
        '(-p --parents)--parents[Make those above as well; none that is there is an error.]' \
        '(-m --mode)-m[Permission bits in octal; default 777 without the umask.]:MODE:' \
        '(-m --mode)--mode[Permission bits in octal; default 777 without the umask.]:MODE:' \
        '--owner[Whose new files are, in numbers; default the caller'\''s. For systems that boot from the image\: 0\:0.]:UID:GID:' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    mv)
      _arguments -s \
        '(-n --no-clobber)-n[Leave what is there already, instead of replacing it.]' \
        '(-n --no-clobber)--no-clobber[Leave what is there already, instead of replacing it.]' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    ln)
      _arguments -s \
        '(-s --symbolic)-s[Make a symbolic link; TARGET is its text, as it is.]' \
        '(-s --symbolic)--symbolic[Make a symbolic link; TARGET is its text, as it is.]' \
        '--owner[Whose new files are, in numbers; default the caller'\''s. For systems that boot from the image\: 0\:0.]:UID:GID:' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:TARGET:_files' \
        '2:IMAGE\:/LINK:_files'
      ;;
    chmod)
      _arguments -s \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    truncate)
      _arguments -s \
        '(-s --size)-s[The size (K, M, G\: KiB, MiB, GiB); needed.]:BYTES:' \
        '(-s --size)--size[The size (K, M, G\: KiB, MiB, GiB); needed.]:BYTES:' \
        '(-c --no-create)-c[Pass over files that are not there, as truncate(1) does.]' \
        '(-c --no-create)--no-create[Pass over files that are not there, as truncate(1) does.]' \
        '--owner[Whose new files are, in numbers; default the caller'\''s. For systems that boot from the image\: 0\:0.]:UID:GID:' \
        '--offset[The file system starts at this byte of the image (K, M, G\: KiB, MiB, GiB).]:BYTES:' \
        '--partition[The file system is in partition N of the image'\''s GPT or MBR table.]:N:' \
        '--cache-size[Keep at most this much metadata in memory; default 32M, and 64M where it is changed.]:BYTES:' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '*:IMAGE\:/PATH:_files'
      ;;
    install-service)
      _arguments -s \
        '--paranoid[Servers without V8'\''s compiler, in whose memory nothing that was written can be executed. Slower.]' \
        '--group[Members of GROUP may mount through the service; default\: only root.]:GROUP:' \
        '--socket-directory[Where the sockets are, and where the installed mount helpers look; default /run/filesystems, where all that speak the protocol look.]:DIR:' \
        '--root[Install below DIR, as if it were /, and start nothing\: for packages. The environment variable DESTDIR means the same. Units go to /usr/lib/systemd/system there.]:DIR:' \
        '--node[The Node that is to run the servers; default\: the one that runs this.]:FILE:_files' \
        '--remove[Remove what was installed. Mounts stay, and their servers with them.]' \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]'
      ;;
    completion)
      _arguments -s \
        '(-h --help)-h[Show help and exit.]' \
        '(-h --help)--help[Show help and exit.]' \
        '1:SHELL:(bash zsh fish)'
      ;;
  esac
}
compdef _bulkhead bulkhead
