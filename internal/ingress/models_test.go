package ingress

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"sluice/internal/auth"
)

// TestModelsOfAKey checks that the list of models is the one of the presented key.
func TestModelsOfAKey(t *testing.T) {
	t.Parallel()
	f := func(keys []auth.KeyConfig, names ...string) {
		t.Helper()
		w := ask(t, server(t, &calls{}, nil, keys...), http.MethodGet, "/v1/models", "", "Authorization", "Bearer "+keyA)
		var list struct {
			Object string
			Data   []struct {
				ID      string
				Object  string
				OwnedBy string `json:"owned_by"`
			}
		}
		if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil || list.Object != "list" {
			t.Fatalf("%v: %s", err, w.Body)
		}
		var got []string
		for _, m := range list.Data {
			got = append(got, m.ID)
			if m.Object != "model" || m.OwnedBy == "" {
				t.Errorf("entry %+v", m)
			}
		}
		if !slices.Equal(got, names) {
			t.Errorf("listed %q, want %q", got, names)
		}
	}
	all := []string{"smart", "local/llama", "openai/gpt-4.1", "openai/gpt-4o"}
	f(nil, all...)
	f([]auth.KeyConfig{team()}, all...)
	f([]auth.KeyConfig{team("smart", "local/*")}, "smart", "local/llama")
	f([]auth.KeyConfig{team("nothing")})
}

func TestOneModel(t *testing.T) {
	t.Parallel()
	f := func(key auth.KeyConfig, id string, status int) {
		t.Helper()
		w := ask(t, server(t, &calls{}, nil, key), http.MethodGet, "/v1/models/"+id, "", "Authorization", "Bearer "+keyA)
		code := ""
		if status != 200 {
			code = "model_not_found"
		}
		want(t, id, w, status, code)
		if status == 200 && !strings.Contains(w.Body.String(), `"id":"`+id+`"`) {
			t.Errorf("%s: %s", id, w.Body)
		}
	}
	f(team(), "smart", 200)
	f(team(), "openai/gpt-4o", 200)
	f(team(), "gpt-4o", 200)
	f(team(), "gpt-5x", 404)
	f(team("smart"), "openai/gpt-4o", 404)
	f(team("smart"), "gpt-4o", 404)
	f(team("openai/*"), "gpt-4o", 200) // a call may ask for it by this name
	f(team("openai/*"), "smart", 404)
}

func TestModelsAreGuarded(t *testing.T) {
	t.Parallel()
	s := server(t, &calls{}, nil, team())
	want(t, "no key", ask(t, s, http.MethodGet, "/v1/models", ""), 401, "invalid_api_key")
	w := ask(t, s, http.MethodPost, "/v1/models", "", "X-Api-Key", keyA)
	want(t, "method", w, 405, "method_not_allowed")
	if w.Header().Get("Allow") == "" {
		t.Error("no Allow header")
	}
}

// TestPaths checks who answers at which address.
func TestPaths(t *testing.T) {
	t.Parallel()
	s := server(t, &calls{}, nil, team())
	f := func(path, text string) {
		t.Helper()
		w := ask(t, s, http.MethodGet, path, "")
		want(t, path, w, 200, "")
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s: %s", path, w.Body)
		}
	}
	f("/", "http://localhost:8080/v1")
	f("/healthz", "health")
	f("/readyz", "health")
	f("/admin/v1/status", "admin")
	want(t, "post", ask(t, s, http.MethodPost, "/", ""), 405, "method_not_allowed")
	s.admin = nil // the operator's side has an address of its own
	want(t, "admin", ask(t, s, http.MethodGet, "/admin/v1/status", ""), 404, "unknown_path")
}

// TestCapabilitiesOfAKey checks that the matrix is there, with the models that the key may use.
func TestCapabilitiesOfAKey(t *testing.T) {
	t.Parallel()
	s := server(t, &calls{}, nil, team("openai/*"))
	w := ask(t, s, http.MethodGet, "/v1/capabilities", "", "X-Api-Key", keyA)
	var got struct {
		Dialects []string
		Features []struct {
			Feature string
			Targets map[string]struct{ Level, How string }
		}
		Models []struct{ Model, Dialect string }
	}
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Code != 200 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if len(got.Models) != 1 || got.Models[0].Model != "openai/gpt-4o" || len(got.Dialects) < 4 {
		t.Errorf("models %+v, dialects %v", got.Models, got.Dialects)
	}
	found := false
	for _, f := range got.Features {
		if cell := f.Targets["anthropic"]; f.Feature == "seed" {
			found = cell.Level == "no" && cell.How != ""
		}
	}
	if !found {
		t.Errorf("Anthropic has a seed: %s", w.Body)
	}
	want(t, "no key", ask(t, s, http.MethodGet, "/v1/capabilities", ""), 401, "invalid_api_key")
	want(t, "post", ask(t, s, http.MethodPost, "/v1/capabilities", "", "X-Api-Key", keyA), 405, "method_not_allowed")
}
