package app

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReplaceFile checks that a file is written where there is no directory yet, that it is replaced whole, and that nothing is left beside it.
func TestReplaceFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data", "learned.json")
	for _, text := range []string{"one", "another one"} {
		if err := replaceFile(path, []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != text {
			t.Errorf("%q, %v, want %q", got, err, text)
		}
	}
	if all, err := os.ReadDir(filepath.Dir(path)); err != nil || len(all) != 1 {
		t.Errorf("%v, %v: want one file", all, err)
	}
}
