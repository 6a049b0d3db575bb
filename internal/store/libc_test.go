package store

import (
	"os/exec"
	"strings"
	"testing"
)

// TestLibcPin holds modernc.org/libc at the version that modernc.org/sqlite was made with: its documentation demands it,
// and no tool of Go checks it.
func TestLibcPin(t *testing.T) {
	t.Parallel()
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), "go", args...).Output()
		if err != nil {
			t.Fatalf("go %s: %v", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out))
	}
	used := run("list", "-m", "-f", "{{.Version}}", "modernc.org/libc")
	mod := run("list", "-m", "-f", "{{.GoMod}}", "modernc.org/sqlite")
	for _, line := range strings.Split(run("mod", "edit", "-print", mod), "\n") {
		if f := strings.Fields(line); len(f) >= 2 && f[len(f)-2] == "modernc.org/libc" {
			if f[len(f)-1] != used {
				t.Errorf("go.mod has modernc.org/libc %s, modernc.org/sqlite was made with %s", used, f[len(f)-1])
			}
			return
		}
	}
	t.Errorf("%s requires no modernc.org/libc", mod)
}
