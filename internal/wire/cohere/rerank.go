package cohere

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// ReadRerank reads a rerank request. The error is of KindBadRequest, with the field in Param. What each protocol names otherwise
// is understood in all of them: clients of Cohere and of Jina use the same path.
func (s Shape) ReadRerank(body []byte) (*llm.Rerank, *llm.Error) {
	r := &llm.Rerank{ReturnDocuments: s == Jina}
	var fault *llm.Error
	query := false
	err := walk(body, func(name string, at wire.Span) bool {
		query = query || name == "query"
		fault = s.rerankMember(r, name, body, at)
		return fault == nil
	})
	switch {
	case fault != nil:
		return nil, fault
	case err != nil:
		return nil, err
	case !query:
		return nil, bad("query", "query is missing")
	case len(r.Documents) == 0:
		return nil, bad("documents", "documents is missing or empty; it must hold at least one document")
	}
	return r, nil
}

func (s Shape) rerankMember(r *llm.Rerank, name string, body []byte, at wire.Span) (fault *llm.Error) {
	lit := at.Of(body)
	if string(lit) == "null" {
		return nil
	}
	switch name {
	case "model":
		r.Model, fault = text(name, lit)
	case "query":
		r.Query, fault = text(name, lit)
	case "documents":
		r.Documents, fault = documents(body, at)
	case "top_n", "top_k":
		r.TopN, fault = number(name, lit)
	case "return_documents":
		r.ReturnDocuments, fault = boolean(name, lit)
	case "max_tokens_per_doc":
		r.MaxDocTokens, fault = number(name, lit)
	case "truncation":
		var cut bool
		if cut, fault = boolean(name, lit); cut {
			r.Truncate = "end"
		} else {
			r.Truncate = "none"
		}
	default:
		r.Extra = append(r.Extra, llm.Member{Name: name, Value: string(lit)})
	}
	return fault
}

func boolean(name string, lit []byte) (bool, *llm.Error) {
	switch string(lit) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, bad(name, "%s is %s; it must be a boolean", name, clip(lit))
}

func documents(body []byte, at wire.Span) ([]llm.RerankDocument, *llm.Error) {
	items, ok := wire.Elements(body, at)
	if !ok {
		return nil, bad("documents", "documents is %s; it must be an array of texts, or of objects with a text", clip(at.Of(body)))
	}
	docs := make([]llm.RerankDocument, len(items))
	for i, v := range items {
		lit := v.Of(body)
		if t, ok := wire.Text(lit); ok {
			docs[i].Text = t
			continue
		}
		found := false
		object, _ := wire.Walk(lit, func(name string, at wire.Span) bool {
			if name == "text" {
				docs[i].Text, found = wire.Text(at.Of(lit))
			}
			return !found
		})
		if !object || !found {
			param := "documents[" + strconv.Itoa(i) + "]"
			return nil, bad(param, "%s is %s; it must be a text, or an object with a text", param, clip(lit))
		}
		docs[i].Object = string(lit)
	}
	return docs, nil
}

// AppendRerank appends a rerank request for a target. Documents that are objects are sent as their text, but to Jina. Cohere's
// API v2 repeats no documents: the caller puts them into the answer.
func (s Shape) AppendRerank(dst []byte, r *llm.Rerank) []byte {
	dst = append(dst, `{"model":`...)
	dst = wire.AppendString(dst, r.Model)
	dst = append(dst, `,"query":`...)
	dst = wire.AppendString(dst, r.Query)
	dst = append(dst, `,"documents":[`...)
	for i := range r.Documents {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.AppendString(dst, r.Documents[i].Text)
	}
	dst = append(dst, ']')
	if r.TopN > 0 {
		name := "top_n"
		if s == Voyage {
			name = "top_k"
		}
		dst = append(dst, `,"`+name+`":`...)
		dst = strconv.AppendInt(dst, r.TopN, 10)
	}
	switch s {
	case Cohere:
		if r.MaxDocTokens > 0 {
			dst = append(dst, `,"max_tokens_per_doc":`...)
			dst = strconv.AppendInt(dst, r.MaxDocTokens, 10)
		}
	default:
		dst = append(dst, `,"return_documents":`...)
		dst = strconv.AppendBool(dst, r.ReturnDocuments)
	}
	if s == Voyage && r.Truncate != "" {
		dst = append(dst, `,"truncation":`...)
		dst = strconv.AppendBool(dst, r.Truncate != "none")
	}
	return append(appendExtra(dst, r.Extra), '}')
}

// ReadRanked reads a rerank answer of a target. Results are put in order, the best first. The error is of KindBadAnswer.
func (s Shape) ReadRanked(body []byte) (*llm.Ranked, *llm.Error) {
	a := &llm.Ranked{}
	found := false
	var fault error
	ok, err := wire.Walk(body, func(name string, at wire.Span) bool {
		lit := at.Of(body)
		switch name {
		case "id":
			a.ID, _ = wire.Text(lit)
		case "model":
			a.Model, _ = wire.Text(lit)
		case "usage", "meta":
			readUsage(&a.Usage, &a.HasUsage, lit)
			a.SearchUnits += readUnits(lit)
		case "results", "data":
			found = true
			a.Results, fault = results(body, at)
		}
		return fault == nil
	})
	switch {
	case err != nil || !ok:
		return nil, notJSON(err)
	case fault != nil:
		return nil, &llm.Error{Kind: llm.KindBadAnswer, Message: "the provider's answer cannot be read: " + fault.Error(), Sent: llm.WasSent}
	case !found:
		return nil, &llm.Error{Kind: llm.KindBadAnswer, Message: "the provider's answer has no results", Sent: llm.WasSent}
	}
	slices.SortStableFunc(a.Results, func(x, y llm.RankedResult) int {
		switch {
		case x.Score > y.Score:
			return -1
		case x.Score < y.Score:
			return 1
		}
		return 0
	})
	return a, nil
}

// readUnits returns the search units in meta.billed_units.
func readUnits(lit []byte) (n int64) {
	_, _ = wire.Walk(lit, func(name string, at wire.Span) bool {
		switch name {
		case "billed_units":
			n += readUnits(at.Of(lit))
		case "search_units":
			n += count(at.Of(lit))
		}
		return true
	})
	return n
}

func results(body []byte, at wire.Span) ([]llm.RankedResult, error) {
	items, ok := wire.Elements(body, at)
	if !ok {
		return nil, wrong("results", at.Of(body), "an array")
	}
	list := make([]llm.RankedResult, len(items))
	for i, item := range items {
		lit := item.Of(body)
		index, score := false, false
		_, err := wire.Walk(lit, func(name string, at wire.Span) bool {
			v := at.Of(lit)
			switch name {
			case "index":
				var n int64
				n, index = wire.Int(v)
				index = index && n >= 0 && n <= 1<<31
				list[i].Index = int(n)
			case "relevance_score", "score":
				score = json.Unmarshal(v, &list[i].Score) == nil
			case "document":
				if string(v) != "null" {
					list[i].Document = string(v)
				}
			}
			return true
		})
		if err != nil || !index || !score {
			return nil, wrong("results["+strconv.Itoa(i)+"]", lit, "an object with index and relevance_score")
		}
	}
	return list, nil
}

func wrong(path string, lit []byte, want string) error {
	return fmt.Errorf("%s is %s; it must be %s", path, clip(lit), want)
}

// AppendRanked appends a rerank answer for a client. rq is what the client asked for: it says how many results there are, and
// whether they repeat their documents, which are those of the request. In Jina's shape, which is the common one, usage and
// meta stand side by side, so that a client of Cohere's v1 finds what it looks for.
func (s Shape) AppendRanked(dst []byte, a *llm.Ranked, rq *llm.Rerank) []byte {
	switch s {
	case Voyage:
		dst = append(dst, `{"object":"list","data":[`...)
	default:
		dst = append(dst, `{"id":`...)
		dst = wire.AppendString(dst, a.ID)
		if s == Jina {
			dst = append(dst, `,"model":`...)
			dst = wire.AppendString(dst, a.Model)
		}
		dst = append(dst, `,"results":[`...)
	}
	n := len(a.Results)
	if rq.TopN > 0 {
		n = int(min(rq.TopN, int64(n)))
	}
	for i := range a.Results[:n] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.appendResult(dst, &a.Results[i], rq)
	}
	dst = append(dst, ']')
	if s == Voyage {
		dst = append(dst, `,"model":`...)
		dst = wire.AppendString(dst, a.Model)
	}
	if s != Cohere {
		dst = appendTokens(dst, s, a.Usage.Total())
	}
	if s == Cohere || s == Jina && a.SearchUnits > 0 {
		dst = append(dst, `,"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":`...)
		dst = strconv.AppendInt(dst, max(a.SearchUnits, 1), 10)
		dst = append(dst, `}}`...)
	}
	return append(dst, '}')
}

func (s Shape) appendResult(dst []byte, r *llm.RankedResult, rq *llm.Rerank) []byte {
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(r.Index), 10)
	dst = append(dst, `,"relevance_score":`...)
	dst = strconv.AppendFloat(dst, r.Score, 'g', -1, 64)
	if rq.ReturnDocuments && r.Index < len(rq.Documents) {
		d := &rq.Documents[r.Index]
		dst = append(dst, `,"document":`...)
		switch {
		case s == Voyage:
			dst = wire.AppendString(dst, d.Text)
		case d.Object != "":
			dst = append(dst, d.Object...)
		default:
			dst = append(dst, `{"text":`...)
			dst = append(wire.AppendString(dst, d.Text), '}')
		}
	}
	return append(dst, '}')
}
