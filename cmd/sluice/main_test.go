package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestUnknownCommand(t *testing.T) {
	t.Parallel()
	f := func(want string, args ...string) {
		t.Helper()
		root := newRootCommand()
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(args)
		err := root.ExecuteContext(t.Context())
		if want == "" {
			if err != nil || !strings.Contains(out.String(), "Available Commands:") {
				t.Errorf("%v: %v, want the help and no error:\n%s", args, err, out.String())
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want an error with %q", args, err, want)
		}
	}
	f(`unknown command "rnu" for "sluice bench"; did you mean "run"?`, "bench", "rnu")
	f(`unknown command "weather" for "sluice plan"; sluice plan --help lists them`, "plan", "weather")
	f(`unknown command "sett" for "sluice bench baseline"; did you mean "set"?`, "bench", "baseline", "sett")
	f(`unknown command "lsit" for "sluice keys"; did you mean "list"?`, "keys", "lsit")
	f("", "bench")
	f("", "bench", "baseline")
}
