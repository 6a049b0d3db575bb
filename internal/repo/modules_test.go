package repo_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// requirement is one requirement as `go mod edit -json` prints it.
type requirement struct {
	Path     string
	Version  string
	Indirect bool
}

// requirements reads a go.mod file.
func requirements(t *testing.T, file string) []requirement {
	t.Helper()
	out, err := goTool("mod", "edit", "-json", file)
	if err != nil {
		t.Fatal(err)
	}
	var mod struct{ Require []requirement }
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require) == 0 {
		t.Fatalf("%s requires nothing", file)
	}
	return mod.Require
}

// undocumented returns the direct requirements that a text has no heading for.
func undocumented(text string, reqs []requirement) []string {
	var missing []string
	for _, r := range reqs {
		if !r.Indirect && !strings.Contains(text, "\n### "+r.Path+"\n") {
			missing = append(missing, r.Path)
		}
	}
	return missing
}

func TestDependenciesAreDocumented(t *testing.T) {
	t.Parallel()
	text := readFile(t, "docs/DEPENDENCIES.md")
	reqs := requirements(t, "go.mod")
	for _, path := range undocumented(text, reqs) {
		t.Errorf("docs/DEPENDENCIES.md has no heading %q: say what it is for, why this one, what it costs, its licence", "### "+path)
	}
	required := map[string]bool{}
	for _, r := range reqs {
		required[r.Path] = true
	}
	for line := range strings.Lines(text) {
		if path, ok := strings.CutPrefix(strings.TrimSpace(line), "### "); ok && strings.Contains(path, "/") && !required[path] {
			t.Errorf("docs/DEPENDENCIES.md describes %s, which go.mod does not require", path)
		}
	}
	if got := undocumented(text, []requirement{{Path: "example.com/new"}, {Path: "example.com/far", Indirect: true}}); len(got) != 1 {
		t.Errorf("the rule finds %v, want example.com/new only", got)
	}
}

// TestLibcIsTheOneOfSQLite holds because modernc.org/sqlite is C code translated for one version of modernc.org/libc: with
// another one it builds, and misbehaves (https://gitlab.com/cznic/sqlite/-/issues/177).
func TestLibcIsTheOneOfSQLite(t *testing.T) {
	t.Parallel()
	out, err := goTool("list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite")
	if err != nil {
		t.Fatal(err)
	}
	file := strings.TrimSpace(string(out))
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	version := func(file string) string {
		for _, r := range requirements(t, file) {
			if r.Path == "modernc.org/libc" {
				return r.Version
			}
		}
		t.Fatalf("%s does not require modernc.org/libc", file)
		return ""
	}
	if ours, theirs := version("go.mod"), version(file); ours != theirs {
		t.Errorf("go.mod has modernc.org/libc %s, and modernc.org/sqlite is made for %s", ours, theirs)
	}
}
