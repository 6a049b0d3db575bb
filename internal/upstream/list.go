package upstream

import (
	"encoding/json"
	"net/http"
	"strings"

	"sluice/internal/llm"
)

// ListRequest returns the request for the models that an account has. ok is false for kinds that do not list what can be called:
// Azure's deployments, Vertex AI and Bedrock are asked elsewhere.
func (a *Account) ListRequest() (rq *Request, ok bool) {
	if a.preset.List == "" {
		return nil, false
	}
	path, query, _ := strings.Cut(a.preset.List, "?")
	s, ok := a.Surface(&Ask{Op: llm.OpRaw, Path: path, Query: query})
	return &Request{Method: http.MethodGet, Path: s.Path, Query: s.Query}, ok
}

// ReadList returns the names in a list of models, in the forms that there are: OpenAI's and Anthropic's data with ids, Google's and
// Cohere's models with names, and a bare list (Together). Google's prefix models/ is taken off.
func ReadList(body []byte) ([]string, error) {
	type entry struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	}
	var list struct {
		Data   []entry `json:"data"`
		Models []entry `json:"models"`
	}
	var err error
	if first := strings.TrimLeft(string(body[:min(len(body), 64)]), " \t\r\n"); strings.HasPrefix(first, "[") {
		err = json.Unmarshal(body, &list.Data)
	} else {
		err = json.Unmarshal(body, &list)
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range append(list.Data, list.Models...) {
		name := e.ID
		if name == "" {
			name = strings.TrimPrefix(e.Name, "models/")
		}
		if name != "" {
			names = append(names, name)
		}
	}
	return names, nil
}
