# Keeps a Postgres cluster: obeys orders from standard input, and removes everything at its end.
# usage: keeper <folder> <binaries>
folder=$1 data=$1/data bin=$2
trap '' HUP INT TERM

start() {
  # After a kill the processes that were left need a moment to notice.
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    "$bin/pg_ctl" -D "$data" -l "$folder/log" -s -w -t 60 start </dev/null >/dev/null 2>&1 && return
    [ -e "$data/PG_VERSION" ] || return
    sleep 0.2
  done
  return 1
}

while read -r order; do
  case $order in
    start) start ;;
    kill) kill -KILL "$(head -n 1 "$data/postmaster.pid")" ;;
    promote) "$bin/pg_ctl" -D "$data" -s -w -t 60 promote >/dev/null 2>&1 ;;
    *) false ;;
  esac && echo done || echo failed
done

"$bin/pg_ctl" -D "$data" -s -w -t 30 -m immediate stop >/dev/null 2>&1
rm -rf "$folder"
