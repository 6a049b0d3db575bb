package repo_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// testName is a test that a page names, in backquotes.
var testName = regexp.MustCompile("`(Test[A-Z][A-Za-z0-9]*)`")

// namedTests returns the tests that a text names and none of the functions has.
func namedTests(text string, functions map[string]bool) (named int, missing []string) {
	for _, m := range testName.FindAllStringSubmatch(text, -1) {
		named++
		if !functions[m[1]] {
			missing = append(missing, m[1])
		}
	}
	return named, missing
}

// TestNamedTestsExist holds that the tests which docs/TRANSLATION.md names for each known trap are there.
func TestNamedTestsExist(t *testing.T) {
	t.Parallel()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	functions := map[string]bool{}
	for _, dir := range []string{"cmd", "e2e", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "node_modules" {
				return fs.SkipDir
			}
			if !strings.HasSuffix(path, "_test.go") {
				return nil
			}
			b, err := os.ReadFile(path)
			for _, m := range function.FindAllSubmatch(b, -1) {
				functions[string(m[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "TRANSLATION.md"))
	if err != nil {
		t.Fatal(err)
	}
	named, missing := namedTests(string(text), functions)
	if named < 40 || len(missing) > 0 {
		t.Errorf("docs/TRANSLATION.md names %d tests; these are none: %q", named, missing)
	}
}

func TestNamedTestsAreFound(t *testing.T) {
	t.Parallel()
	named, missing := namedTests("`TestA`, `TestB` and TestC, `Test`", map[string]bool{"TestA": true})
	if named != 2 || len(missing) != 1 || missing[0] != "TestB" {
		t.Errorf("%d, %q", named, missing)
	}
}
