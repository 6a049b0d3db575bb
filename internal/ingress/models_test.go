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
	f := func(key auth.KeyConfig, id string, status int, owner ...string) {
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
		for _, o := range owner {
			if !strings.Contains(w.Body.String(), `"owned_by":"`+o+`"`) {
				t.Errorf("%s is owned by another than %s, as in the list: %s", id, o, w.Body)
			}
		}
	}
	f(team(), "smart", 200, "sluice")
	f(team(), "openai/gpt-4o", 200, "openai")
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

// TestModelsInEveryDialect checks the list of models as each client reads it, and its pages.
func TestModelsInEveryDialect(t *testing.T) {
	t.Parallel()
	s := server(t, &calls{}, nil)
	get := func(path string, into any, header ...string) {
		t.Helper()
		w := ask(t, s, http.MethodGet, path, "", header...)
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil || w.Code != 200 {
			t.Fatalf("%s: %d %s: %v", path, w.Code, w.Body, err)
		}
	}
	type page struct {
		Data []struct {
			Type, ID string
		}
		HasMore bool   `json:"has_more"`
		LastID  string `json:"last_id"`
	}
	var ids []string
	for after, n := "", 0; n < 20; n++ {
		var p page
		get("/anthropic/v1/models?limit=2&after_id="+after, &p)
		for _, m := range p.Data {
			if m.Type != "model" {
				t.Errorf("type %q", m.Type)
			}
			ids = append(ids, m.ID)
		}
		if after = p.LastID; !p.HasMore {
			break
		}
	}
	var p page
	get("/v1/models", &p, "Anthropic-Version", "2023-06-01")
	if len(p.Data) != len(ids) || len(ids) < 3 || ids[0] != "smart" {
		t.Errorf("pages have %v, the root %v", ids, p.Data)
	}
	var names []string
	for token, n := "", 0; n < 20; n++ {
		var p struct {
			Models        []struct{ Name string }
			NextPageToken string
		}
		get("/gemini/v1beta/models?pageSize=2&pageToken="+token, &p)
		for _, m := range p.Models {
			names = append(names, strings.TrimPrefix(m.Name, "models/"))
		}
		if token = p.NextPageToken; token == "" {
			break
		}
	}
	if strings.Join(names, " ") != strings.Join(ids, " ") {
		t.Errorf("Gemini's clients see %v, Anthropic's %v", names, ids)
	}
	var one struct{ ID, Name string }
	get("/anthropic/v1/models/smart", &one)
	get("/v1beta/models/openai/gpt-4o", &one)
	if one.ID != "smart" || one.Name != "models/openai/gpt-4o" {
		t.Errorf("one model is %+v", one)
	}
	w := ask(t, s, http.MethodGet, "/anthropic/v1/models?limit=0", "")
	if w.Code != 400 || !strings.Contains(w.Body.String(), `"type":"invalid_request_error"`) || !strings.Contains(w.Body.String(), "limit") {
		t.Errorf("a page of none: %d %s", w.Code, w.Body)
	}
	w = ask(t, s, http.MethodGet, "/gemini/v1beta/models/nothing-of-the-kind", "")
	if w.Code != 404 || !strings.Contains(w.Body.String(), `"status":"NOT_FOUND"`) {
		t.Errorf("an unknown model: %d %s", w.Code, w.Body)
	}
}
