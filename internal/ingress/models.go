package ingress

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"sluice/internal/auth"
	"sluice/internal/llm"
	"sluice/internal/route"
	"sluice/internal/wire/anthropic"
	"sluice/internal/wire/gemini"
	"sluice/internal/wire/openai"
)

// aliasOwner is who owns a public name, which may stand for models of several accounts.
const aliasOwner = "sluice"

// Limits on a page of the list of models, as the dialects have them.
const (
	anthropicPage = 20
	geminiPage    = 50
	maxPage       = 1000
)

// models answers a front's list of models, and one of its models where the path names it: the names that the presented key may
// ask for.
func (s *Server) models(w http.ResponseWriter, r *http.Request, en *entry) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", http.MethodGet)
		s.refuse(w, r, en, methodError(r, http.MethodGet))
		return
	}
	key, e := s.keys.Authenticate(r.Context(), credential(r))
	if e == nil && key.Name() == "" {
		e = checkOrigin(r)
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	setID(w.Header(), en.front, newID(time.Now()))
	var body []byte
	if en.id != "" {
		body, e = s.oneModel(key, en)
	} else {
		body, e = s.listModels(key, en.front, r.URL.Query())
	}
	if e != nil {
		s.refuse(w, r, en, e)
		return
	}
	rp := reply{w: w, stall: s.settings.Load().Clients.WriteStall, codec: en.codec()}
	rp.Whole(http.StatusOK, body)
}

// oneModel returns the model that the path names.
func (s *Server) oneModel(key *auth.Principal, en *entry) ([]byte, *llm.Error) {
	id := en.id
	plan, e := s.routes().Plan(id, 0)
	if e != nil {
		return nil, e
	}
	if !key.Allows(id) && (plan.Alias || !key.Allows(plan.Tiers[0][0].Name)) { // as for calls
		return nil, llm.Errorf(llm.KindNotFound, "the model %q does not exist or this key may not use it", id)
	}
	switch en.front {
	case llm.Anthropic:
		return anthropic.AppendModel(nil, &anthropic.Model{ID: id}), nil
	case llm.Gemini:
		return gemini.AppendModel(nil, &gemini.Model{Name: id}), nil
	}
	owner := plan.Tiers[0][0].Provider
	if plan.Alias {
		owner = aliasOwner
	}
	return openai.AppendModel(nil, openai.ModelCard{ID: id, OwnedBy: owner}), nil
}

// listModels returns the list of models, or the page of it that the query asks for.
func (s *Server) listModels(key *auth.Principal, front llm.Dialect, query url.Values) ([]byte, *llm.Error) {
	all := slices.DeleteFunc(s.routes().List(), func(l route.Listing) bool { return !key.Allows(l.ID) })
	switch front {
	case llm.Anthropic:
		page, more, e := modelPage(all, query.Get("after_id"), query.Get("limit"), "limit", anthropicPage)
		if e != nil {
			return nil, e
		}
		list := make([]anthropic.Model, len(page))
		for i := range page {
			list[i].ID = page[i].ID
		}
		return anthropic.AppendModels(nil, list, more), nil
	case llm.Gemini:
		page, more, e := modelPage(all, query.Get("pageToken"), query.Get("pageSize"), "pageSize", geminiPage)
		if e != nil {
			return nil, e
		}
		list, next := make([]gemini.Model, len(page)), ""
		for i := range page {
			list[i].Name = page[i].ID
		}
		if more {
			next = page[len(page)-1].ID
		}
		return gemini.AppendModels(nil, list, next), nil
	}
	list := make([]openai.ModelCard, 0, len(all))
	for _, l := range all {
		owner := l.Provider
		if owner == "" {
			owner = aliasOwner
		}
		list = append(list, openai.ModelCard{ID: l.ID, OwnedBy: owner})
	}
	return openai.AppendModels(nil, list), nil
}

// modelPage returns the part of a list that follows the model named after, of at most size models; param is what the dialect calls
// the size.
func modelPage(all []route.Listing, after, size, param string, usual int) (page []route.Listing, more bool, e *llm.Error) {
	n := usual
	if size != "" {
		var err error
		if n, err = strconv.Atoi(size); err != nil || n < 1 || n > maxPage {
			e := llm.Errorf(llm.KindBadRequest, "%s is %.20q; it must be from 1 to %d", param, size, maxPage)
			e.Param = param
			return nil, false, e
		}
	}
	if after != "" {
		i := slices.IndexFunc(all, func(l route.Listing) bool { return l.ID == after })
		if i < 0 {
			return nil, false, llm.Errorf(llm.KindBadRequest, "there is no page after %.100q", after)
		}
		all = all[i+1:]
	}
	if len(all) > n {
		return all[:n], true, nil
	}
	return all, false, nil
}
