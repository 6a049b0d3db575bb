package store

import (
	"context"
	"os"
	"testing"

	"go.uber.org/goleak"

	"sluice/internal/testenv"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVar); dir != "" {
		appendUntilKilled(dir) // see TestKill
		return
	}
	code := testenv.Main(m)
	if code == 0 {
		if err := goleak.Find(); err != nil {
			println(err.Error())
			code = 1
		}
	}
	os.Exit(code)
}

// databases runs f once for each kind of database, with a function that opens the same fresh one every time it is called.
// What f expects is what every caller of Store may rely on.
func databases(t *testing.T, f func(t *testing.T, open func() *Store)) {
	t.Helper()
	run := func(name string, place func(t *testing.T) (dsn, dir string)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, dir := place(t)
			f(t, func() *Store {
				s, err := Open(t.Context(), dsn, dir)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := s.Close(); err != nil {
						t.Error(err)
					}
				})
				return s
			})
		})
	}
	run("sqlite", func(t *testing.T) (string, string) { return "", t.TempDir() })
	run("postgres", func(t *testing.T) (string, string) { return testenv.Database(t), "" })
}

func TestPingAndName(t *testing.T) {
	t.Parallel()
	databases(t, func(t *testing.T, open func() *Store) {
		s := open()
		if err := s.Ping(t.Context()); err != nil {
			t.Error(err)
		}
		if s.String() == "" {
			t.Error("the store has no name for messages")
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.Ping(ctx); err == nil {
			t.Error("Ping with an ended context succeeded")
		}
	})
}
