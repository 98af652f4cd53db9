#!/bin/sh
# The engine on this host with a small application: two containers on a network of their own, one of them published.
# usage: demo.sh start|stop
set -eu
cd "$(dirname "$0")/.."
fairlead="$PWD/.venv/bin/fairlead"
socket=/run/fairlead/fairlead.sock
pidfile=/run/fairlead/fairlead.pid
log=/run/fairlead/daemon.log
port=${DEMO_PORT:-8080}
export DOCKER_HOST=unix://$socket

answers() { "$fairlead" version >/dev/null 2>&1; }

image() {
    root=$(mktemp -d)
    mkdir -p "$root/bin" "$root/etc" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/www/cgi-bin"
    cp "$(command -v busybox)" "$root/bin/busybox"
    for applet in $(busybox --list); do
        [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
    done
    echo 'root:x:0:0:root:/:/bin/sh' > "$root/etc/passwd"
    cat > "$root/www/cgi-bin/index.cgi" <<'CGI'
#!/bin/sh
printf 'Content-Type: text/plain\r\n\r\n'
echo "Hello from $(hostname), to $REMOTE_ADDR."
[ -z "${BACKEND:-}" ] || echo "$BACKEND says: $(timeout 2 wget -q -O - "http://$BACKEND/")"
CGI
    chmod +x "$root/www/cgi-bin/index.cgi"
    tar -C "$root" -c . | "$fairlead" import -c 'CMD ["httpd", "-f", "-p", "[::]:80", "-h", "/www"]' -c 'EXPOSE 80' -c 'STOPSIGNAL SIGKILL' - demo:latest >/dev/null
    rm -rf "$root"
}

start() {
    mkdir -p /run/fairlead
    if ! answers; then
        setsid "$fairlead" daemon --pidfile $pidfile >>$log 2>&1 </dev/null &
        for _ in $(seq 100); do answers && break; sleep 0.1; done
        answers || { echo "The engine did not come up; the end of $log:" >&2; tail -n 20 $log >&2; exit 1; }
    fi
    "$fairlead" inspect --type image demo:latest >/dev/null 2>&1 || image
    "$fairlead" network inspect demo >/dev/null 2>&1 || "$fairlead" network create demo >/dev/null
    "$fairlead" rm -f demo-backend demo-web >/dev/null 2>&1 || true
    "$fairlead" run -d --name demo-backend --net demo demo >/dev/null
    "$fairlead" run -d --name demo-web --net demo -e BACKEND=demo-backend -p "$port:80" demo >/dev/null
    "$fairlead" ps
    echo
    echo "\$ curl http://127.0.0.1:$port/"
    for _ in $(seq 50); do
        answer=$(timeout 2 busybox wget -q -O - "http://127.0.0.1:$port/" 2>/dev/null) && break
        sleep 0.1
    done
    [ -n "${answer:-}" ] || { echo "demo-web does not answer on port $port" >&2; exit 1; }
    cat <<TEXT
$answer

Fairlead runs. Its socket is unix://$socket, its log $log. Try:
  export DOCKER_HOST=unix://$socket PATH=$PWD/.venv/bin:\$PATH
  docker network inspect demo            (or: fairlead network inspect demo)
  docker run --rm --net demo demo nslookup demo-web
  docker run -it --rm --net demo demo sh
Stop it with: make stop
TEXT
}

stop() {
    if answers; then
        "$fairlead" rm -f demo-web demo-backend >/dev/null 2>&1 || true
        "$fairlead" network rm demo >/dev/null 2>&1 || true
    fi
    [ -r $pidfile ] || { echo "Fairlead does not run."; return; }
    pid=$(cat $pidfile)
    kill "$pid" 2>/dev/null || true
    for _ in $(seq 120); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    ! kill -0 "$pid" 2>/dev/null || { echo "The engine (pid $pid) does not stop." >&2; exit 1; }
    echo "Stopped."
}

case "${1:-}" in
    start) start ;;
    stop) stop ;;
    *) echo "usage: demo.sh start|stop" >&2; exit 2 ;;
esac
