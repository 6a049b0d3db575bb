// Package harness runs the real binary for end-to-end tests: it builds it once, starts gateways and simulators on free
// ports, waits until they answer, and ends each of them by its process id, also when a test fails. It starts one
// goroutine for each line-wise read output, which ends with its process.
package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// Wait bounds every wait for something that should happen soon. It is long because machines that run tests are busy.
const Wait = 20 * time.Second

// Hang bounds a call as a whole, streams included: a gateway that hangs fails the test that finds it.
const Hang = time.Minute

// binaryVariable names a binary to test in place of one built here.
const binaryVariable = "SLUICE_BIN"

// Main builds the binary, unless SLUICE_BIN names one, runs the tests with SLUICE_BIN set, and exits.
// Moduledir is the directory of the product's module, relative to the test's.
func Main(m *testing.M, moduleDir string) {
	os.Exit(func() int {
		if os.Getenv(binaryVariable) != "" {
			return m.Run()
		}
		dir, err := os.MkdirTemp("", "sluice-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		defer os.RemoveAll(dir)
		bin := filepath.Join(dir, "sluice")
		build := exec.Command("go", "build", "-o", bin, "./cmd/sluice")
		build.Dir = moduleDir
		build.Stdout, build.Stderr = os.Stderr, os.Stderr
		if err := build.Run(); err != nil {
			fmt.Fprintln(os.Stderr, "e2e: build sluice:", err)
			return 1
		}
		if err := os.Setenv(binaryVariable, bin); err != nil {
			fmt.Fprintln(os.Stderr, "e2e:", err)
			return 1
		}
		return m.Run()
	}())
}

// Binary returns the path of the binary under test.
func Binary(t testing.TB) string {
	t.Helper()
	bin, err := filepath.Abs(os.Getenv(binaryVariable))
	if err != nil || os.Getenv(binaryVariable) == "" {
		t.Fatalf("%s is not set: call harness.Main from TestMain", binaryVariable)
	}
	return bin
}

// Env returns an environment for the binary that has nothing of ours which would configure it, and the given NAME=value
// pairs.
func Env(pairs ...string) []string {
	var env []string
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "LANG"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return append(env, pairs...)
}

// Eventually calls f until it returns nil. It fails the test with f's last error after limit.
func Eventually(t testing.TB, limit time.Duration, f func() error) {
	t.Helper()
	if err := poll(limit, f); err != nil {
		t.Fatalf("not within %v: %v", limit, err)
	}
}

// poll calls f until it returns nil or the limit is over. Between two looks it waits a little, so that looking does not
// cost the processes under test their time.
func poll(limit time.Duration, f func() error) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(limit); ; <-tick.C {
		err := f()
		if err == nil || time.Now().After(end) {
			return err
		}
	}
}

// WriteFile writes a file of a test and returns its path.
func WriteFile(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
