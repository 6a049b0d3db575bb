package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sluice/internal/config"
)

func TestConfigCheck(t *testing.T) {
	t.Parallel()
	f := func(name, file string, storedKeys bool, wantOut, wantProblems, wantErr string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "s.yaml")
			if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
				t.Fatal(err)
			}
			var out, problems bytes.Buffer
			env := func(string) (string, bool) { return "", false }
			err := checkConfig(&out, &problems, path, env, storedKeys)
			got := ""
			if err != nil {
				got = err.Error()
			}
			for _, c := range []struct{ what, got, want string }{
				{"output", out.String(), wantOut}, {"problems", problems.String(), wantProblems}, {"error", got, wantErr},
			} {
				if !strings.Contains(c.got, c.want) || (c.want == "") != (c.got == "") {
					t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
				}
			}
		})
	}
	good := "providers: {a: {api: sim}, b: {api: sim}}\nmodels: {m: {targets: [a/x]}}\n"
	f("good", good, false, ": ok: 2 providers, 1 model, 0 keys (id ", "", "")
	f("bad", good+"lisen: x\n", false, "", "s.yaml:3:1: lisen: is not a known key; did you mean \"listen\"?\n    3 | lisen: *\n      | ^\n",
		"check configuration: 1 found")
	f("literal secret", good+"admin_key: 0123456789\n", false, ": ok: ", "s.yaml:3:12: admin_key: the secret itself stands in the file", "")
	f("exposed", good+"listen: 0.0.0.0:80\n", false, "", "", "listen: 0.0.0.0:80 can be reached from other machines and no keys are configured")
	f("exposed with keys in the database", good+"listen: 0.0.0.0:80\n", true, ": ok: ", "", "")
}

func TestConfigCommand(t *testing.T) {
	t.Parallel()
	run := func(args ...string) (string, string, error) {
		var out, problems bytes.Buffer
		cmd := newConfigCommand()
		cmd.SetArgs(args)
		cmd.SetOut(&out)
		cmd.SetErr(&problems)
		err := cmd.Execute()
		return out.String(), problems.String(), err
	}
	if out, _, err := run("schema"); err != nil || out != string(config.Schema()) || len(out) < 10_000 {
		t.Errorf("schema: %.100s, %v", out, err)
	}
	if _, said, err := run("check", "no-such.yaml"); err == nil || strings.Contains(said, "Usage") {
		t.Errorf("no such file: %v, %s", err, said)
	}
	if _, _, err := run("check", "a", "b"); err == nil {
		t.Error("two files are not refused")
	}
}
