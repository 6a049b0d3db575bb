package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"sluice/internal/sim"
)

// runSimCommand runs `sluice sim` with arguments and returns what it printed.
func runSimCommand(t *testing.T, args ...string) (string, error) {
	t.Helper()
	var out strings.Builder
	cmd := newSimCommand()
	cmd.SetArgs(args)
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(t.Context())
	return out.String(), err
}

func TestSimListsFaults(t *testing.T) {
	t.Parallel()
	out, err := runSimCommand(t, "--list-faults")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range sim.Faults() {
		if !strings.Contains(out, "\n"+f.Name+" ") || !strings.Contains(out, f.Doc) {
			t.Errorf("fault %s is not in the list", f.Name)
		}
	}
}

func TestSimServesUntilStopped(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sim.yaml")
	text := "api_key: secret\nmodels:\n  - {name: mine, speed: {step: 1ms}}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	r, w := io.Pipe()
	cmd := newSimCommand()
	cmd.SetArgs([]string{"--listen", "127.0.0.1:0", "--config", file, "--seed", "5"})
	cmd.SetOut(w)
	done := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		w.Close()
		done <- err
	}()
	lines := bufio.NewScanner(r)
	var url string
	var curls []string
	for len(curls) < 6 && lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) > 3 && fields[2] == "at" {
			url = fields[3]
		}
		if strings.HasPrefix(lines.Text(), "try:") {
			curls = append(curls, lines.Text())
		}
	}
	if !strings.Contains(curls[0], url+"/chat/completions'") || !strings.Contains(curls[0], `"model":"mine"`) ||
		!strings.Contains(curls[0], `-H 'Authorization: Bearer '"$KEY"`) || !strings.Contains(curls[2], `-H 'x-api-key: '"$KEY"`) {
		t.Errorf("curl lines %q for %q", curls, url)
	}
	rest := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r) // ends when the command closes its end
		rest <- string(b)
	}()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer secret")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil || resp.StatusCode != 200 || !strings.Contains(string(body), `"id":"mine"`) {
		t.Errorf("models: %d %s %v", resp.StatusCode, body, err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("stopped with %v", err)
	}
	if got := <-rest; !strings.Contains(got, "stopped after 0 requests") {
		t.Errorf("last words %q", got)
	}
}

func TestSimRefusesWhatItCannotUse(t *testing.T) {
	t.Parallel()
	f := func(text, want string, args ...string) {
		t.Helper()
		file := filepath.Join(t.TempDir(), "sim.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := runSimCommand(t, append([]string{"--listen", "127.0.0.1:0", "--config", file}, args...)...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q %v: error %v, want %q", text, args, err, want)
		}
	}
	f("sed: 1\n", `unknown field "sed"`)
	f("seed: x\n", "[1:7]")
	f("models: [{name: a, kind: b}]\n", "neither chat nor embedding")
	f("faults: [{fault: nonsense}]\n", "unknown fault")
	f("api_key: ${SLUICE_SIM_TEST_UNSET}\n", "has no SLUICE_SIM_TEST_UNSET")
	f("aws: {access_key: a, secret_key: '${SLUICE_SIM_TEST_UNSET}'}\n", "aws.secret_key")
	f("google: {public_key_file: /nowhere/at/all}\n", "google.public_key_file")
	f("deviate: nobody\n", "deviate")
	f("models: [{name: a, rejects: [sleep]}]\n", "rejects[0]")
	f("seed: 1\n", `"quick"`, "--latency", "quick")
	f("seed: 1\n", "listen for simulator", "--listen", "nonsense")
	f("models: [{name: a, continue: backwards}]\n", "models[0].continue")
	f("record_light: -1\n", "record_light")
	f("faults: [{fault: down, every: 3s}]\n", "faults[0].every: needs for")
	f("seed: 1\n", `read --fault: read fault rule "cut until=3s": until: is no key of a rule`, "--fault", "cut until=3s")
	f("seed: 1\n", `unknown fault "cutt"`, "--fault", "500", "--fault", "cutt")
	f("seed: 1\n", `"calm" is none of outage, storm, flaky, drip`, "--rehearse", "calm")
	f("seed: 1\n", "read fault rules", "--faults", filepath.Join(t.TempDir(), "none.yaml"))
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	for text, want := range map[string]string{
		"- {fault: cut}\n- {fault: \"429;after=2\", for: 5s, every: 1s}\n": "rule 2, for: 5s is longer than every, 1s",
		"- {fault: cut, chance: 1}\n":                                      `unknown field "chance"`,
		"fault: cut\n":                                                     rules,
	} {
		if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		f("seed: 1\n", want, "--faults", rules)
	}
	if _, err := runSimCommand(t, "--config", filepath.Join(t.TempDir(), "none.yaml")); err == nil {
		t.Error("a file that does not exist is accepted")
	}
}

// TestSimRulesOfAllSources holds the order in which rules are tried.
func TestSimRulesOfAllSources(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(file, []byte("- {fault: down, from: 20s, for: 60s}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := simFlags{faults: []string{"cut;after=random probability=0.5"}, faultsFile: file, rehearse: "storm"}
	rules, err := f.rules()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range rules {
		got = append(got, rules[i].String())
	}
	want := "cut;after=random probability=0.5\ndown from=20s for=1m0s\nrate-limit;after=2 from=10s for=5s every=30s"
	if strings.Join(got, "\n") != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestSimQuotaFlags reads a quota from flags and from a file, where words may be written without quotes.
func TestSimQuotaFlags(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "sim.yaml")
	text := "quotas:\n  - {models: [a], tpm: 4_200_000, headers: true, retry_after: none, phase: 15s, enforce: fixed}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f := func(want []sim.QuotaConfig, wantErr string, args ...string) {
		t.Helper()
		var flags simFlags
		cmd := &cobra.Command{}
		flags.quotaFlags(cmd.Flags())
		if err := cmd.ParseFlags(args); err != nil {
			t.Fatal(err)
		}
		flags.config = file
		c, err := flags.load(cmd)
		if wantErr != "" {
			if err == nil || !strings.Contains(err.Error(), wantErr) {
				t.Errorf("%v: %v, want %q", args, err, wantErr)
			}
			return
		}
		if diff := cmp.Diff(want, c.Quotas); err != nil || diff != "" {
			t.Errorf("%v: %v (-want +got):\n%s", args, err, diff)
		}
		if _, err := sim.New(c); err != nil {
			t.Errorf("%v: %v", args, err)
		}
	}
	inFile := sim.QuotaConfig{Models: []string{"a"}, TPM: 4_200_000, Headers: "true", RetryAfter: "none", Phase: 15 * time.Second, Enforce: "fixed"}
	f([]sim.QuotaConfig{inFile}, "")
	f([]sim.QuotaConfig{inFile, {RPM: 9000, TPM: 4_200_000, Enforce: "slices", Charge: "max_tokens", Headers: "none", RetryAfter: "true"}}, "",
		"--rpm", "9000", "--tpm", "4200000", "--enforce", "slices", "--charge", "max_tokens", "--quota-headers", "none")
	f(nil, "need a limit", "--enforce", "slices")
}
