package openai

import (
	"bytes"
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Limits of what is kept of a request. What is over maxChoices is refused; the others are for records and are cut, while
// the provider still gets what the client wrote.
const (
	maxChoices = 1 << 16 // choices of one answer
	maxUser    = 256     // bytes of user that are kept
	maxTier    = 64      // bytes of service_tier that are kept
)

// Request is what Sluice reads of a request body, and the places that it may change. It belongs to the body that it was
// read from.
type Request struct {
	wire.Request

	model   wire.Span // value of model
	options wire.Span // value of stream_options; empty if there is none
	usage   wire.Span // value of stream_options.include_usage; empty if there is none
	last    int       // end of the last member's value
	kind    wire.Kind // of options
	empty   bool      // options is an object without members
}

// ParseRequest validates body, which must be one JSON object, in one pass, and reads what Sluice needs. Fields that it
// does not read are not looked at but for their grammar: nothing else is refused here, the provider will judge.
//
// A field that is read must not be there twice, nor in another case: which of two values counts differs between JSON
// parsers, and a policy decided by one value while the provider acts on another would be no policy.
//
// The error is of KindBadRequest, with the field in Param. Nothing is allocated but the strings and errors returned.
func ParseRequest(op llm.Op, body []byte) (Request, *llm.Error) {
	p := parser{op: op, body: body}
	p.r.Choices = 1
	if err := p.object(); err != nil {
		return Request{}, err
	}
	return p.r, nil
}

// parser is one run of ParseRequest.
type parser struct {
	sc      wire.Fields
	op      llm.Op
	body    []byte
	r       Request
	prompts int
	n       int
	limit   int64  // max_tokens
	safe    string // safety_identifier
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
	p.r.last = p.sc.Last()
	return p.finish()
}

// finish checks what can be said only when all members are known.
func (p *parser) finish() *llm.Error {
	if !p.sc.Has(int(fieldModel)) {
		return bad("model", "model is missing")
	}
	if p.r.MaxTokens == 0 {
		p.r.MaxTokens = p.limit
	}
	if p.r.User == "" {
		p.r.User = p.safe
	}
	if p.op == llm.OpEmbedding {
		return nil
	}
	p.r.Choices = max(p.n, 1) * max(p.prompts, 1) // both are at most maxChoices
	if p.r.Choices > maxChoices {
		return bad("n", "%d choices of %d prompts are over the limit of %d", p.n, p.prompts, maxChoices)
	}
	return nil
}

// field is a member of the request that Sluice reads.
type field uint8

const (
	fieldNone field = iota
	fieldModel
	fieldStream
	fieldStreamOptions
	fieldN
	fieldMaxTokens
	fieldMaxCompletionTokens
	fieldUser
	fieldSafetyIdentifier
	fieldServiceTier
	fieldMessages
	fieldPrompt
	fieldInput
	fieldTools
	fieldFunctions
)

var fieldNames = [...]string{
	fieldModel: "model", fieldStream: "stream", fieldStreamOptions: "stream_options", fieldN: "n",
	fieldMaxTokens: "max_tokens", fieldMaxCompletionTokens: "max_completion_tokens", fieldUser: "user",
	fieldSafetyIdentifier: "safety_identifier",
	fieldServiceTier:      "service_tier", fieldMessages: "messages", fieldPrompt: "prompt", fieldInput: "input",
	fieldTools: "tools", fieldFunctions: "functions",
}

// member reads the value ahead as that of f.
func (p *parser) member(f field) (err *llm.Error) {
	switch f {
	case fieldModel:
		p.r.model, err = p.sc.Model(&p.r.Model)
		return err
	case fieldStream:
		return p.sc.Bool("stream", &p.r.Stream)
	case fieldStreamOptions:
		return p.streamOptions()
	case fieldN:
		return p.choices()
	case fieldMaxTokens:
		return p.sc.Limit("max_tokens", &p.limit)
	case fieldMaxCompletionTokens:
		return p.sc.Limit("max_completion_tokens", &p.r.MaxTokens)
	case fieldUser:
		return p.sc.Text("user", maxUser, &p.r.User)
	case fieldSafetyIdentifier:
		return p.sc.Text("safety_identifier", maxUser, &p.safe)
	case fieldServiceTier:
		return p.sc.Text("service_tier", maxTier, &p.r.ServiceTier)
	default:
		return p.input(f)
	}
}

func (p *parser) choices() *llm.Error {
	n, ok, err := p.sc.Int("n")
	if err != nil || !ok {
		return err
	}
	if n < 1 || n > maxChoices {
		return bad("n", "n is %d; it must be from 1 to %d", n, maxChoices)
	}
	p.n = int(n)
	return nil
}

func (p *parser) streamOptions() *llm.Error {
	p.r.kind = p.sc.Kind()
	start := p.sc.Pos()
	p.r.empty = true
	switch p.r.kind {
	case wire.Null, wire.Invalid:
		p.sc.Value()
	case wire.Object:
		p.sc.Object()
		for {
			name, ok := p.sc.Member()
			if !ok {
				break
			}
			p.r.empty = false
			if err := p.includeUsage(name); err != nil {
				return err
			}
		}
	default:
		return bad("stream_options", "stream_options is %s; it must be an object", p.r.kind)
	}
	if p.sc.Err() != nil {
		return p.sc.Syntax()
	}
	p.r.options = wire.Span{Start: start, End: p.sc.Pos()}
	return nil
}

// includeUsage reads a member of stream_options.
func (p *parser) includeUsage(name []byte) *llm.Error {
	const param = "stream_options.include_usage"
	if string(name) != "include_usage" {
		if bytes.EqualFold(name, []byte("include_usage")) {
			return bad(param, "%q is written in another case; write include_usage", string(name))
		}
		p.sc.Value()
		return nil
	}
	if p.r.usage.Len() > 0 {
		return bad(param, "%s is there twice", param)
	}
	p.sc.Kind() // passes over white space
	start := p.sc.Pos()
	err := p.sc.Bool(param, &p.r.IncludeUsage)
	p.r.usage = wire.Span{Start: start, End: p.sc.Pos()}
	return err
}

func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}
