// Package testenv gives tests a real PostgreSQL and a real Redis. PostgreSQL is the server that SLUICE_TEST_DATABASE_URL names, or else one that is
// started for the test binary and stopped with it. Only tests import it. The processes it starts end with Main, and also
// when the test binary dies.
package testenv

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// URLVar names the environment variable with the DSN of a server on which tests may make databases.
const URLVar = "SLUICE_TEST_DATABASE_URL"

// startTime bounds the start of a server.
const startTime = 60 * time.Second

// errMissing says what to do when there is no server.
var errMissing = errors.New("tests need a real PostgreSQL, and its programs initdb and postgres are not found in PATH " +
	"or /usr/lib/postgresql: install it (Debian: apt-get install postgresql; macOS: brew install postgresql), or set " +
	URLVar + " to a server on which databases may be made")

// Main runs the tests of a package with a server and returns the exit code; call it from TestMain. A server that is not
// installed fails only the tests that call Database.
func Main(m *testing.M) int {
	if os.Getenv(URLVar) != "" {
		return m.Run()
	}
	s, err := start()
	if errors.Is(err, errMissing) {
		return m.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start PostgreSQL for tests:", err)
		return 1
	}
	defer s.stop()
	if err := os.Setenv(URLVar, s.url); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Database makes an empty database and returns its DSN. The database is removed when the test ends.
func Database(t testing.TB) string {
	t.Helper()
	base := os.Getenv(URLVar)
	if base == "" {
		t.Fatal(errMissing)
	}
	u, err := url.Parse(base)
	if err != nil {
		t.Fatalf("%s is not a URL", URLVar)
	}
	name := "sluice_" + strings.ToLower(rand.Text()[:16])
	execute(t, base, "CREATE DATABASE "+name)
	t.Cleanup(func() { execute(t, base, "DROP DATABASE "+name+" WITH (FORCE)") })
	u.Path = "/" + name
	return u.String()
}

// execute runs one statement on the server.
func execute(t testing.TB, dsn, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatalf("connect to the server for tests: %v", err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

// server is a PostgreSQL that was started here.
type server struct {
	url   string
	dir   string
	cmd   *exec.Cmd
	stdin io.WriteCloser // closing it stops the server
}

// watch runs the server until standard input ends, which it does when the test binary is gone, in whatever way.
const watch = `"$@" & pid=$!; (cat >/dev/null; kill -INT $pid) <&3 & wait $pid`

// start makes a database cluster in a directory of its own and serves it on a socket there: no port is taken, so any
// number of test binaries run side by side. What it holds need not survive, so it never waits for the disk.
func start() (*server, error) {
	initdb, postgres, err := find()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sluice-pg-") // short, since a socket's path may have about 100 bytes
	if err != nil {
		return nil, err
	}
	s := &server{dir: dir, url: "postgres://sluice@/postgres?host=" + url.QueryEscape(dir)}
	if err := s.run(initdb, postgres); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

func (s *server) run(initdb, postgres string) error {
	user, err := unprivileged(s.dir)
	if err != nil {
		return err
	}
	data := filepath.Join(s.dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "sluice", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
	cmd.Dir, cmd.SysProcAttr = s.dir, user
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	var log bytes.Buffer
	s.cmd = exec.Command("sh", "-c", "exec 3<&0; "+watch, "sh", postgres, "-D", data, "-k", s.dir, "-c", "listen_addresses=",
		"-c", "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=200")
	s.cmd.Dir, s.cmd.SysProcAttr, s.cmd.Stdout, s.cmd.Stderr = s.dir, user, &log, &log
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return err
	}
	if err := s.cmd.Start(); err != nil {
		return err
	}
	if err := s.await(); err != nil {
		s.end()
		return fmt.Errorf("%w\n%s", err, log.String())
	}
	return nil
}

// await returns when the server takes connections.
func (s *server) await() error {
	ctx, cancel := context.WithTimeout(context.Background(), startTime)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, s.url)
		if err == nil {
			return conn.Close(ctx)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// end tells the server to stop and waits for it. Its exit code says nothing that a test needs.
func (s *server) end() {
	s.stdin.Close()
	_ = s.cmd.Wait()
}

func (s *server) stop() {
	s.end()
	if err := os.RemoveAll(s.dir); err != nil {
		fmt.Fprintln(os.Stderr, "remove the server for tests:", err)
	}
}

// find looks for the server's programs in PATH, then where Debian keeps them, newest version first.
func find() (initdb, postgres string, err error) {
	dirs := filepath.SplitList(os.Getenv("PATH"))
	versions, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return "", "", err
	}
	slices.Reverse(versions)
	for _, d := range append(dirs, versions...) {
		initdb, postgres = filepath.Join(d, "initdb"), filepath.Join(d, "postgres")
		if executable(initdb) && executable(postgres) {
			return initdb, postgres, nil
		}
	}
	return "", "", errMissing
}

func executable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode()&0o111 != 0
}
