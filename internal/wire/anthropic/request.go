package anthropic

import (
	"bytes"
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// maxUser is how many bytes of metadata.user_id are kept, for records. The provider still gets what the client wrote.
const maxUser = 256

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
	if err := p.object(); err != nil {
		return nil, err
	}
	r := p.r
	return &r, nil
}

// parser is one run of ParseRequest.
type parser struct {
	sc   wire.Fields
	op   llm.Op
	body []byte
	r    Request
	bare bool // all thinking goes
}

func (p *parser) object() *llm.Error {
	if err := p.sc.Begin(p.body, fieldNames[:]); err != nil {
		return err
	}
	for {
		f, err := p.sc.Next()
		if err != nil {
			return err
		}
		if f == 0 {
			break
		}
		if err := p.member(field(f)); err != nil {
			return err
		}
	}
	switch {
	case !p.sc.Has(int(fieldModel)):
		return bad("model", "model: Field required")
	case !p.sc.Has(int(fieldMaxTokens)) && p.op == llm.OpChat:
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

// member reads the value ahead as that of f.
func (p *parser) member(f field) (err *llm.Error) {
	switch f {
	case fieldModel:
		p.r.model, err = p.sc.Model(&p.r.Model)
		return err
	case fieldStream:
		return p.sc.Bool("stream", &p.r.Stream)
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

// maxTokens reads the limit. Zero is allowed: it fills the prompt cache and has no output.
func (p *parser) maxTokens() *llm.Error {
	k := p.sc.Kind()
	if k != wire.Number && k != wire.Invalid {
		return bad("max_tokens", "max_tokens is %s; it must be a whole number", k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.sc.Syntax()
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
		if err := p.sc.Text(param, maxUser, &p.r.User); err != nil {
			return err
		}
	}
}

func (p *parser) serviceTier() *llm.Error {
	var tier string
	err := p.sc.Text("service_tier", 64, &tier)
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

func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}
