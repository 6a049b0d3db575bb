package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"

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
	if p.Name() != "team-a" || !p.Allows("openai/x") || p.Allows("other") || p.Start() != nil || p.Start() == nil {
		t.Error("the principal has not the name and limits of the key")
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
