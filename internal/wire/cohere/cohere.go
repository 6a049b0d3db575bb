// Package cohere is the codec of the protocols that know embeddings and rerank only: Cohere's API v2, Voyage's and Jina's. They
// differ in a few names and forms, so they are one package: each is a Shape, with the same functions for both ends of the
// protocol. vLLM, llama.cpp and others answer rerank requests in Jina's shape. It opens no connections, runs no goroutines
// and keeps no state.
//
// Sources, all seen 2026-11: docs.cohere.com/reference/embed and /rerank (v2), docs.voyageai.com/reference/embeddings-api and
// /reranker-api, api.jina.ai/openapi.json.
package cohere

import (
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Shape is one of the protocols.
type Shape uint8

// The protocols.
const (
	Cohere Shape = iota + 1
	Voyage
	Jina
)

// Dialect returns the protocol's dialect.
func (s Shape) Dialect() llm.Dialect {
	switch s {
	case Cohere:
		return llm.Cohere
	case Voyage:
		return llm.Voyage
	default:
		return llm.Jina
	}
}

// Limits of what is kept of a request.
const (
	maxUser = 256 // bytes
)

// Request is what Sluice reads of a request body, and the place that it may change. It belongs to the body that it was
// read from.
type Request struct {
	wire.Request
	model wire.Span // value of model
}

// ParseRequest validates body, which must be one JSON object, and reads what the road needs. Fields that it does not read are
// not looked at but for their grammar: the provider will judge. A model must be there, and once only: which of two values
// counts differs between JSON parsers. The error is of KindBadRequest, with the field in Param.
func (s Shape) ParseRequest(_ llm.Op, body []byte) (Request, *llm.Error) {
	r := Request{Request: wire.Request{Choices: 1}}
	var fault *llm.Error
	err := walk(body, func(name string, at wire.Span) bool {
		fault = r.member(name, body, at)
		return fault == nil
	})
	switch {
	case fault != nil:
		return Request{}, fault
	case err != nil:
		return Request{}, err
	case r.model.Len() == 0:
		return Request{}, bad("model", "model is missing")
	}
	return r, nil
}

func (r *Request) member(name string, body []byte, at wire.Span) *llm.Error {
	lit := at.Of(body)
	switch name {
	case "model":
		if r.model.Len() > 0 {
			return bad("model", "model is there twice")
		}
		text, ok := wire.Text(lit)
		if !ok || text == "" || len(text) > wire.MaxModel {
			return bad("model", "model is %s; it must be a string of 1 to %d bytes", clip(lit), wire.MaxModel)
		}
		r.Model, r.model = text, at
	case "input", "texts", "inputs", "images", "documents":
		items, ok := wire.Elements(body, at)
		if !ok {
			items = []wire.Span{at}
		}
		r.Inputs += len(items)
		for _, v := range items {
			r.InputBytes += max(v.Len()-2, 0)
		}
	case "query":
		r.InputBytes += max(at.Len()-2, 0)
	case "user":
		if text, ok := wire.Text(lit); ok {
			r.User = text[:min(len(text), maxUser)]
		}
	}
	return nil
}

// AppendUpstream appends body, the one that r was parsed from, as a target of the same shape is sent it.
func (r *Request) AppendUpstream(dst, body []byte, c *wire.Change) []byte {
	start := len(dst)
	if c.Model == "" || c.Model == r.Model {
		dst = append(dst, body...)
	} else {
		dst = append(dst, body[:r.model.Start]...)
		dst = wire.AppendString(dst, c.Model)
		dst = append(dst, body[r.model.End:]...)
	}
	if c.Plain() {
		return dst
	}
	return append(dst[:start], wire.AppendChanged(nil, dst[start:], c)...)
}

// walk visits the members of a request body.
func walk(body []byte, visit func(name string, at wire.Span) bool) *llm.Error {
	ok, err := wire.Walk(body, visit)
	switch {
	case len(body) == 0:
		return bad("", "request body is empty; it must be a JSON object")
	case err != nil:
		return bad("", "request body is not valid JSON: %v", err)
	case !ok:
		return bad("", "request body must be a JSON object")
	}
	return nil
}

func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}

// clip returns the beginning of a value for a message.
func clip(lit []byte) string {
	const most = 40
	if len(lit) > most {
		return string(lit[:most]) + "…"
	}
	return string(lit)
}
