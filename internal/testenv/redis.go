package testenv

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// RedisVar names the environment variable with the URL of a Redis server on which tests may make keys.
const RedisVar = "SLUICE_TEST_REDIS_URL"

// errNoRedis says what to do when there is no server.
var errNoRedis = errors.New("tests need a real Redis, and redis-server is not found in PATH: install it " +
	"(Debian: apt-get install redis-server; macOS: brew install redis), or set " + RedisVar + " to a server on which tests may make keys")

// Redis returns the URL of a Redis server: the one that the environment names, or one that is started for this test and ends with it.
// On a server that is named, others are at work too: keys need a prefix of their own (the test's name will do).
func Redis(t testing.TB) string {
	t.Helper()
	if u := os.Getenv(RedisVar); u != "" {
		return u
	}
	return StartRedis(t).URL
}

// RedisServer is a server that belongs to one test, which may stop it, freeze it and start it again. It keeps nothing on disk.
type RedisServer struct {
	URL string

	t    testing.TB
	addr string
	dir  string

	mu    sync.Mutex
	cmd   *exec.Cmd
	stdin io.WriteCloser // closing it stops the server
}

// StartRedis starts a server on a port of its own. It ends with the test.
func StartRedis(t testing.TB) *RedisServer {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		t.Fatal(errNoRedis)
	}
	var err error
	for range 5 { // another process may take the port between the look and the start
		s := &RedisServer{t: t, dir: t.TempDir()}
		if s.addr, err = freeAddr(); err != nil {
			t.Fatal(err)
		}
		s.URL = "redis://" + s.addr + "/0"
		if err = s.start(); err == nil {
			t.Cleanup(s.Kill)
			return s
		}
	}
	t.Fatalf("start redis-server: %v", err)
	return nil
}

func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return ln.Addr().String(), ln.Close()
}

// Start starts a server that was killed, on the same address, with nothing in it.
func (s *RedisServer) Start() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatalf("start redis-server again: %v", err)
	}
}

func (s *RedisServer) start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var log bytes.Buffer
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		return err
	}
	cmd := exec.Command("sh", "-c", `exec 3<&0; "$@" & pid=$!; echo $pid >pid; (cat >/dev/null; kill -KILL $pid) <&3 & wait $pid`, "sh",
		"redis-server", "--bind", host, "--port", port, "--save", "", "--appendonly", "no", "--daemonize", "no", "--dir", s.dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = s.dir, &log, &log
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := awaitRedis(s.addr); err != nil {
		stdin.Close()
		_ = cmd.Wait() // what it has to say is in the log
		return fmt.Errorf("%w\n%s", err, log.String())
	}
	s.cmd, s.stdin = cmd, stdin
	return nil
}

// awaitRedis returns when a server answers.
func awaitRedis(addr string) error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		_, err := ask(ctx, addr, "PING")
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ask sends one command without arguments in the old inline form and returns the first line of the answer.
func ask(ctx context.Context, addr, command string) (string, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(conn, command+"\r\n"); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err == nil && strings.HasPrefix(line, "-") {
		err = errors.New(strings.TrimSpace(line))
	}
	return strings.TrimSpace(line), err
}

// Kill ends the server at once, as a crash would. What it held is gone.
func (s *RedisServer) Kill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	s.stdin.Close()
	_ = s.cmd.Wait() // killed
	s.cmd = nil
}

// Flush empties the server.
func (s *RedisServer) Flush() {
	s.t.Helper()
	if _, err := ask(context.Background(), s.addr, "FLUSHALL"); err != nil {
		s.t.Fatalf("empty redis: %v", err)
	}
}

// pid returns the id of the server's process.
func (s *RedisServer) pid() (int, error) {
	b, err := os.ReadFile(filepath.Join(s.dir, "pid"))
	if err != nil {
		return 0, err
	}
	var n int
	_, err = fmt.Sscan(string(b), &n)
	return n, err
}
