package anthropic

import (
	"bytes"
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Limits of what is kept of a request. What is over maxModel is refused; the user is for records and is cut, while the
// provider still gets what the client wrote.
const (
	maxModel = 512 // bytes of a model name
	maxUser  = 256 // bytes of metadata.user_id that are kept
)

// Request is what Sluice reads of a request body, and the places that it may change. It belongs to the body that it was
// read from.
type Request struct {
	wire.Request

	model wire.Span   // value of model
	cuts  []wire.Span // what a target of this dialect must not get, in order
}

// ParseRequest validates body, which must be one JSON object, in one pass, and reads what Sluice needs, for OpChat or
// OpCountTokens. Fields that it does not read are not looked at but for their grammar: nothing else is refused here, the
// provider will judge.
//
// A field that is read must not be there twice, nor in another case: which of two values counts differs between JSON
// parsers, and a policy decided by one value while the provider acts on another would be no policy.
//
// The error is of KindBadRequest, with the field in Param, worded as the provider words it where it has the same one.
func ParseRequest(op llm.Op, body []byte) (*Request, *llm.Error) {
	p := parser{op: op, body: body}
	p.r.Choices = 1
	p.sc.Reset(body)
	if err := p.object(); err != nil {
		return nil, err
	}
	r := p.r
	return &r, nil
}

// parser is one run of ParseRequest.
type parser struct {
	sc   wire.Scanner
	op   llm.Op
	body []byte
	r    Request
	seen uint32 // bit by field
	bare bool   // all thinking goes
}

func (p *parser) object() *llm.Error {
	switch {
	case len(bytes.TrimSpace(p.body)) == 0:
		return bad("", "request body is empty; it must be a JSON object")
	case bytes.HasPrefix(p.body, []byte("\xef\xbb\xbf")):
		return bad("", "request body begins with a byte-order mark; it must begin with {")
	case !p.sc.Object():
		k := p.sc.Kind()
		p.sc.Value()
		if !p.sc.End() {
			return p.syntax()
		}
		return bad("", "request body is %s; it must be a JSON object", k)
	}
	for {
		name, ok := p.sc.Member()
		if !ok {
			break
		}
		if err := p.member(name); err != nil {
			return err
		}
	}
	if !p.sc.End() {
		return p.syntax()
	}
	switch {
	case p.seen&(1<<fieldModel) == 0:
		return bad("model", "model: Field required")
	case p.seen&(1<<fieldMaxTokens) == 0 && p.op == llm.OpChat:
		return bad("max_tokens", "max_tokens: Field required")
	}
	return nil
}

// field is a member of the request that Sluice reads.
type field uint8

const (
	fieldNone field = iota
	fieldModel
	fieldStream
	fieldMaxTokens
	fieldMetadata
	fieldServiceTier
	fieldMessages
	fieldSystem
	fieldTools
)

var fieldNames = [...]string{
	fieldModel: "model", fieldStream: "stream", fieldMaxTokens: "max_tokens", fieldMetadata: "metadata",
	fieldServiceTier: "service_tier", fieldMessages: "messages", fieldSystem: "system", fieldTools: "tools",
}

func fieldOf(name []byte) field {
	for f, s := range fieldNames[1:] {
		if string(name) == s {
			return field(f + 1)
		}
	}
	return fieldNone
}

// lookAlike returns the field that name would be to a parser that ignores case, as encoding/json does.
func lookAlike(name []byte) field {
	for _, c := range name {
		if c-'A' <= 'Z'-'A' || c >= 0x80 {
			for f, s := range fieldNames[1:] {
				if bytes.EqualFold(name, []byte(s)) {
					return field(f + 1)
				}
			}
			return fieldNone
		}
	}
	return fieldNone
}

// member reads the value ahead as that of the member name.
func (p *parser) member(name []byte) *llm.Error {
	f := fieldOf(name)
	if f == fieldNone {
		if f = lookAlike(name); f != fieldNone {
			// name points into the parser: formatted as it is, it would move the parser to the heap.
			return bad(fieldNames[f], "%q is written in another case; write %s", string(name), fieldNames[f])
		}
		p.sc.Value()
		return nil
	}
	if p.seen&(1<<f) != 0 {
		return bad(fieldNames[f], "%s is there twice", fieldNames[f])
	}
	p.seen |= 1 << f
	switch f {
	case fieldModel:
		return p.model()
	case fieldStream:
		return p.stream()
	case fieldMaxTokens:
		return p.maxTokens()
	case fieldMetadata:
		return p.metadata()
	case fieldServiceTier:
		return p.serviceTier()
	default:
		return p.input(f)
	}
}

func (p *parser) model() *llm.Error {
	if k := p.sc.Kind(); k != wire.String && k != wire.Invalid {
		return bad("model", "model is %s; it must be a string", k)
	}
	p.r.model = p.sc.Value()
	if p.sc.Err() != nil {
		return p.syntax()
	}
	switch n := p.sc.StringLen(p.r.model); {
	case n == 0:
		return bad("model", "model is empty")
	case n > maxModel:
		return bad("model", "model has %d bytes, which is over the limit of %d", n, maxModel)
	}
	p.r.Model = unquote(p.r.model.Of(p.body))
	return nil
}

// unquote returns the text of a JSON string, for which it allocates once.
func unquote(lit []byte) string {
	if bytes.IndexByte(lit, '\\') < 0 {
		return string(lit[1 : len(lit)-1])
	}
	return string(wire.Unquote(nil, lit))
}

func (p *parser) stream() *llm.Error {
	k := p.sc.Kind()
	if k != wire.Bool && k != wire.Null && k != wire.Invalid {
		return bad("stream", "stream is %s; it must be a boolean", k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.syntax()
	}
	p.r.Stream = p.body[at.Start] == 't'
	return nil
}

// maxTokens reads the limit. Zero is allowed: it fills the prompt cache and has no output.
func (p *parser) maxTokens() *llm.Error {
	k := p.sc.Kind()
	if k != wire.Number && k != wire.Invalid {
		return bad("max_tokens", "max_tokens is %s; it must be a whole number", k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.syntax()
	}
	n, ok := wire.Int(at.Of(p.body))
	if !ok || n < 0 {
		return bad("max_tokens", "max_tokens is %s; it must be a whole number, and not negative", wire.Clip(at.Of(p.body), 32))
	}
	p.r.MaxTokens = n
	return nil
}

// metadata reads metadata.user_id.
func (p *parser) metadata() *llm.Error {
	switch k := p.sc.Kind(); k {
	case wire.Object:
		p.sc.Object()
	case wire.Null, wire.Invalid:
		p.sc.Value()
		return nil
	default:
		return bad("metadata", "metadata is %s; it must be an object", k)
	}
	const param = "metadata.user_id"
	seen := false
	for {
		name, ok := p.sc.Member()
		if !ok {
			return nil
		}
		if string(name) != "user_id" {
			if bytes.EqualFold(name, []byte("user_id")) {
				return bad(param, "%q is written in another case; write user_id", string(name))
			}
			p.sc.Value()
			continue
		}
		if seen {
			return bad(param, "%s is there twice", param)
		}
		seen = true
		if err := p.text(param, maxUser, &p.r.User); err != nil {
			return err
		}
	}
}

func (p *parser) serviceTier() *llm.Error {
	var tier string
	err := p.text("service_tier", 64, &tier)
	p.r.ServiceTier = tierAsked(tier)
	return err
}

// tierAsked is a request's service_tier in OpenAI's words.
func tierAsked(tier string) string {
	if tier == "standard_only" {
		return "default"
	}
	return tier
}

// text reads a string or null and keeps its first limit bytes.
func (p *parser) text(param string, limit int, v *string) *llm.Error {
	k := p.sc.Kind()
	if k != wire.String && k != wire.Null && k != wire.Invalid {
		return bad(param, "%s is %s; it must be a string", param, k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.syntax()
	}
	if k == wire.String {
		*v = unquote(at.Of(p.body))
		if len(*v) > limit {
			*v = string(wire.Clip([]byte(*v), limit))
		}
	}
	return nil
}

// syntax returns the error for a body that is no JSON.
func (p *parser) syntax() *llm.Error {
	return bad("", "request body is not valid JSON: %v", p.sc.Err())
}

func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}
