package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"sluice/internal/auth"
	"sluice/internal/llm"
	"sluice/internal/store"
)

// keysIn returns a way to run `sluice keys` on the database in dir.
func keysIn(t *testing.T, dir string, c *auth.Config) func(args ...string) (string, error) {
	return func(args ...string) (string, error) {
		t.Helper()
		cmd := newKeysCommand(func(cmd *cobra.Command) (*store.Store, *auth.Config, error) {
			s, err := store.Open(cmd.Context(), "", dir)
			return s, c, err
		})
		var out bytes.Buffer
		cmd.SetOut(&out)
		cmd.SetErr(&bytes.Buffer{})
		cmd.SetArgs(args)
		cmd.SilenceErrors = true
		err := cmd.ExecuteContext(t.Context())
		return out.String(), err
	}
}

// TestKeysWhileServing makes and revokes keys beside a gateway that has the same database open.
func TestKeysWhileServing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s, err := store.Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := auth.NewDirectory(t.Context(), auth.Config{}, s, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	keys := keysIn(t, dir, nil)
	out, err := keys("create", "--name", "team-a", "--models", "smart,openai/*", "--concurrency", "1")
	if err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSuffix(out, "\n")
	p, e := d.Authenticate(t.Context(), secret)
	if e != nil {
		t.Fatalf("a key just made: %v", e)
	}
	if p.Name() != "team-a" || !p.Allows("openai/x") || p.Allows("other") {
		t.Error("the principal has not the name and models of the key")
	}
	if _, e := p.Reserve(time.Now(), auth.Order{}); e != nil {
		t.Fatal(e)
	}
	if _, e := p.Reserve(time.Now(), auth.Order{}); e == nil || e.Kind != llm.KindKeyConcurrency {
		t.Errorf("a second call at once: %v", e)
	}

	list, err := keys("list")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(list, secret) || !strings.Contains(list, "team-a") || !strings.Contains(list, "smart,openai/*") {
		t.Errorf("list is\n%s", list)
	}
	if _, err := keys("revoke", secret[:14]); err != nil {
		t.Fatal(err)
	}
	k, _, err := s.KeysChangedSince(t.Context(), 1)
	if err != nil || len(k) != 1 || k[0].Revoked.IsZero() {
		t.Errorf("the gateway's next look sees %v, %v; want the revocation", k, err)
	}
}

func TestKeysJSON(t *testing.T) {
	t.Parallel()
	keys := keysIn(t, t.TempDir(), nil)
	out, err := keys("list", "--json")
	if err != nil || strings.TrimSpace(out) != "[]" {
		t.Errorf("empty list: %q, %v", out, err)
	}
	out, err = keys("create", "--name", "a", "--tier", "pro", "--json")
	var made keyView
	if err != nil || json.Unmarshal([]byte(out), &made) != nil || !strings.HasPrefix(made.Key, made.Prefix) || made.Tier != "pro" {
		t.Fatalf("create: %q, %v", out, err)
	}
	out, err = keys("list", "--json")
	var listed []keyView
	if err != nil || json.Unmarshal([]byte(out), &listed) != nil || len(listed) != 1 {
		t.Fatalf("list: %q, %v", out, err)
	}
	if l := listed[0]; l.ID != made.ID || l.Key != "" || l.Revoked != nil || l.Created.IsZero() {
		t.Errorf("listed %+v, made %+v", l, made)
	}
	if _, err := keys("revoke", "a"); err != nil {
		t.Fatal(err)
	}
	out, err = keys("list", "--json")
	if err != nil || json.Unmarshal([]byte(out), &listed) != nil || listed[0].Revoked == nil {
		t.Errorf("after revoke: %q, %v", out, err)
	}
}

// TestKeysWithLimits makes a key with every limit, and looks for them in the list and at a gateway's principal.
func TestKeysWithLimits(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := keysIn(t, dir, nil)
	out, err := keys("create", "--name", "all", "--rpm", "3", "--tpm", "400", "--requests-per-day", "50", "--tokens-per-day", "6000",
		"--concurrency", "7", "--budget", "0.5/day", "--budget", "9/month", "--weight", "4", "--user-rpm", "2", "--user-budget", "1/day")
	if err != nil {
		t.Fatal(err)
	}
	list, err := keys("list")
	const want = "rpm=3,tpm=400,requests-per-day=50,tokens-per-day=6000,concurrency=7,budget=0.5/day,budget=9/month,weight=4,user-rpm=2,user-budget=1/day"
	if err != nil || !strings.Contains(list, want) {
		t.Errorf("list is\n%s%v", list, err)
	}
	s, err := store.Open(t.Context(), "", dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	d, err := auth.NewDirectory(t.Context(), auth.Config{}, s, false, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	p, e := d.Authenticate(t.Context(), strings.TrimSpace(out))
	if e != nil || p.Weight() != 4 || !p.Priced() {
		t.Fatalf("principal %+v, %v", p, e)
	}
	refused := func(want llm.Kind, o auth.Order, says string) {
		t.Helper()
		_, e := p.Reserve(time.Now(), o)
		if e == nil || e.Kind != want || !strings.Contains(e.Message, says) {
			t.Errorf("%v: %v, want %v with %q", o, e, want, says)
		}
	}
	refused(llm.KindKeyBudget, auth.Order{NanoUSD: 500_000_001}, "`budget` of the key itself")
	refused(llm.KindModelForbidden, auth.Order{Unpriced: true}, "unpriced: allow")
	refused(llm.KindKeyRate, auth.Order{Need: llm.Need{Input: 401}}, "400 tokens per minute (`tpm` of the key itself)")
	for range 2 {
		if _, e := p.Reserve(time.Now(), auth.Order{User: "u"}); e != nil {
			t.Fatal(e)
		}
	}
	refused(llm.KindKeyRate, auth.Order{User: "u"}, `user "u" of key "all" has made 2 requests in the last minute and may make 2 (`+"`users.rpm` of the key itself)")
}

func TestKeysErrors(t *testing.T) {
	t.Parallel()
	c := &auth.Config{
		Keys:  []auth.KeyConfig{{Name: "in-file", Key: llm.NewSecret("0123456789abcdef")}},
		Tiers: map[string]auth.Tier{"pro": {}, "free": {}},
	}
	keys := keysIn(t, t.TempDir(), c)
	if _, err := keys("create", "--name", "taken"); err != nil {
		t.Fatal(err)
	}
	f := func(want string, args ...string) {
		t.Helper()
		if out, err := keys(args...); err == nil || !strings.Contains(err.Error(), want) || strings.HasPrefix(out, "sk-") {
			t.Errorf("%q: output %q, error %v; want one with %q", args, out, err, want)
		}
	}
	f("a key of that name exists: taken", "create", "--name", "taken")
	f("in-file is in the configuration", "create", "--name", "in-file")
	f("which has: free,pro", "create", "--name", "x", "--tier", "typo")
	f(`required flag(s) "name"`, "create")
	f("name is missing", "create", "--name", "")
	f("negative", "create", "--name", "x", "--concurrency", "-1")
	f("--budget \"5\"", "create", "--name", "x", "--budget", "5")
	f("--user-budget \"5/week\"", "create", "--name", "x", "--user-budget", "5/week")
	f("another budget for the day", "create", "--name", "x", "--budget", "5/day,6/day")
	f("must be refuse or allow", "create", "--name", "x", "--budget-unpriced", "maybe")
	f("rpm is -1", "create", "--name", "x", "--rpm", "-1")
	f("weight is 5000", "create", "--name", "x", "--weight", "5000")
	f("remove it there", "revoke", "in-file")
	f("no such key", "revoke", "nobody")
	f("accepts 1 arg", "revoke")
	if _, err := keys("revoke", "taken"); err != nil {
		t.Fatal(err)
	}
	f("revoked already", "revoke", "taken")
	if _, err := keys("revoke", "sk-not-a-real-key-987654"); !errors.Is(err, auth.ErrNoKey) || strings.Contains(err.Error(), "987654") {
		t.Errorf("error = %v, want ErrNoKey without the key given", err)
	}
}
