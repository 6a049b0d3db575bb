package llm_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"sluice/internal/llm"
)

const credential = "sk-proj-abcdefgh12345678"

// exported and hidden are structs as configuration has them, whose secret fmt reaches with and without its methods.
type exported struct{ Key llm.Secret }

type hidden struct {
	name string
	key  llm.Secret
	more []llm.Secret
	by   map[string]llm.Secret
}

// shapes are the ways in which a secret gets into something that is printed.
func shapes() map[string]any {
	s := llm.NewSecret(credential)
	h := hidden{"a", s, []llm.Secret{s}, map[string]llm.Secret{"b": s}}
	return map[string]any{
		"itself": s, "pointer": &s, "exported field": exported{s}, "pointer to struct": &exported{s}, "hidden field": h,
		"pointer to hidden": &h, "slice": []llm.Secret{s}, "map": map[string]llm.Secret{"k": s}, "any": struct{ v any }{s},
		"slice of structs": []hidden{h}, "array": [1]llm.Secret{s},
	}
}

// leaks reports whether text holds the credential in any of the forms that fmt writes bytes in.
func leaks(text string) bool {
	b := []byte(credential)
	for _, form := range []string{
		credential, hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), fmt.Sprintf("% x", b), fmt.Sprintf("% X", b),
		fmt.Sprintf("%# x", b), strings.Trim(fmt.Sprint(b), "[]"), base64.StdEncoding.EncodeToString(b), credential[:8],
	} {
		if strings.Contains(text, form) {
			return true
		}
	}
	return false
}

func TestSecretIsNeverPrinted(t *testing.T) {
	t.Parallel()
	if !leaks(fmt.Sprintf("%d", []byte(credential))) || !leaks(fmt.Sprintf("%x", credential)) || !leaks(fmt.Sprintf("%+v", struct{ s string }{credential})) {
		t.Fatal("the check does not see a credential that is printed")
	}
	for name, v := range shapes() {
		for verb := '!'; verb <= 'z'; verb++ {
			for _, flags := range []string{"", "+", "#", "-", " ", "0", "+#", "# ", "40", ".3"} {
				if strings.ContainsRune("+-# 0123456789.*[%", verb) {
					continue
				}
				format := "%" + flags + string(verb)
				if got := fmt.Sprintf(format, v); leaks(got) {
					t.Errorf("%s with %s: %s", name, format, got)
				}
			}
		}
		if got := fmt.Sprint(v) + fmt.Errorf("wrap: %v", v).Error(); leaks(got) {
			t.Errorf("%s with Sprint: %s", name, got)
		}
	}
}

func TestSecretIsNeverEncoded(t *testing.T) {
	t.Parallel()
	s := llm.NewSecret(credential)
	value := map[string]any{"a": s, "b": &s, "c": exported{s}, "d": []llm.Secret{s}, "e": map[string]llm.Secret{"k": s}}
	j, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	y, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var logs bytes.Buffer
	for _, h := range []slog.Handler{slog.NewJSONHandler(&logs, nil), slog.NewTextHandler(&logs, nil)} {
		slog.New(h).Info("hello", "secret", s, "pointer", &s, "struct", exported{s}, "hidden", hidden{key: s}, slog.Group("g", "s", s))
	}
	for name, text := range map[string]string{"json": string(j), "yaml": string(y), "slog": logs.String()} {
		if leaks(text) {
			t.Errorf("%s prints the value: %s", name, text)
		}
		if !strings.Contains(text, s.String()) {
			t.Errorf("%s does not print the fingerprint: %s", name, text)
		}
	}
}

// TestSecretEquality checks what a reload relies on to see whether a provider's key has changed.
func TestSecretEquality(t *testing.T) {
	t.Parallel()
	a, same, other := llm.NewSecret(credential), llm.NewSecret(credential[:3]+credential[3:]), llm.NewSecret("sk-other")
	if !reflect.DeepEqual(exported{a}, exported{same}) || reflect.DeepEqual(exported{a}, exported{other}) {
		t.Error("DeepEqual does not compare by value")
	}
	if !reflect.DeepEqual(llm.NewSecret(""), llm.Secret{}) || !llm.NewSecret("").Empty() || (llm.Secret{}).String() != "" {
		t.Error("an empty secret is not the zero Secret")
	}
	if a.Reveal() != credential || a.String() != same.String() || a.String() == other.String() || a.Empty() {
		t.Errorf("%s reveals %q", a, a.Reveal())
	}
	if (llm.Secret{}).Reveal() != "" {
		t.Error("the zero Secret reveals something")
	}
}
