package openai

import (
	"bytes"
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Limits of what is kept of a request. What is over maxModel or maxChoices is refused; the others are for records and
// are cut, while the provider still gets what the client wrote.
const (
	maxModel   = 512     // bytes of a model name
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
	p.sc.Reset(body)
	if err := p.object(); err != nil {
		return Request{}, err
	}
	return p.r, nil
}

// parser is one run of ParseRequest.
type parser struct {
	sc      wire.Scanner
	op      llm.Op
	body    []byte
	r       Request
	seen    uint32 // bit by field
	prompts int
	n       int
	limit   int64 // max_tokens
}

func (p *parser) object() *llm.Error {
	switch {
	case len(bytes.TrimSpace(p.body)) == 0:
		return bad("", "request body is empty; it must be a JSON object")
	case bytes.HasPrefix(p.body, []byte("\xef\xbb\xbf")):
		return bad("", "request body begins with a byte-order mark; it must begin with {")
	case !p.sc.Object():
		if k := p.sc.Kind(); k != wire.Invalid {
			return bad("", "request body is %s; it must be a JSON object", k)
		}
		p.sc.Value()
		return p.syntax()
	}
	for {
		name, ok := p.sc.Member()
		if !ok {
			break
		}
		if err := p.member(name); err != nil {
			return err
		}
		p.r.last = p.sc.Pos()
	}
	if !p.sc.End() {
		return p.syntax()
	}
	return p.finish()
}

// finish checks what can be said only when all members are known.
func (p *parser) finish() *llm.Error {
	if p.seen&(1<<fieldModel) == 0 {
		return bad("model", "model is missing")
	}
	if p.r.MaxTokens == 0 {
		p.r.MaxTokens = p.limit
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
	fieldServiceTier: "service_tier", fieldMessages: "messages", fieldPrompt: "prompt", fieldInput: "input",
	fieldTools: "tools", fieldFunctions: "functions",
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
	// name points into the parser: formatted as it is, it would move the parser to the heap.
	f := fieldOf(name)
	if f == fieldNone {
		if f = lookAlike(name); f != fieldNone {
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
		_, err := p.boolean("stream", &p.r.Stream)
		return err
	case fieldStreamOptions:
		return p.streamOptions()
	case fieldN:
		return p.choices()
	case fieldMaxTokens:
		return p.tokens("max_tokens", &p.limit)
	case fieldMaxCompletionTokens:
		return p.tokens("max_completion_tokens", &p.r.MaxTokens)
	case fieldUser:
		return p.text("user", maxUser, &p.r.User)
	case fieldServiceTier:
		return p.text("service_tier", maxTier, &p.r.ServiceTier)
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

// boolean reads a boolean or null, which counts as false.
func (p *parser) boolean(param string, v *bool) (wire.Span, *llm.Error) {
	k := p.sc.Kind()
	if k != wire.Bool && k != wire.Null && k != wire.Invalid {
		return wire.Span{}, bad(param, "%s is %s; it must be a boolean", param, k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return at, p.syntax()
	}
	*v = p.body[at.Start] == 't'
	return at, nil
}

// integer reads a whole number or null. ok is false for null.
func (p *parser) integer(param string) (v int64, ok bool, err *llm.Error) {
	k := p.sc.Kind()
	if k != wire.Number && k != wire.Null && k != wire.Invalid {
		return 0, false, bad(param, "%s is %s; it must be a whole number", param, k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return 0, false, p.syntax()
	}
	if k == wire.Null {
		return 0, false, nil
	}
	if v, ok = wire.Int(at.Of(p.body)); !ok {
		return 0, false, bad(param, "%s is %s; it must be a whole number", param, wire.Clip(at.Of(p.body), 32))
	}
	return v, true, nil
}

// tokens reads a limit of tokens. Servers take -1 for no limit, so a negative one counts as none.
func (p *parser) tokens(param string, v *int64) *llm.Error {
	n, _, err := p.integer(param)
	*v = max(n, 0)
	return err
}

func (p *parser) choices() *llm.Error {
	n, ok, err := p.integer("n")
	if err != nil || !ok {
		return err
	}
	if n < 1 || n > maxChoices {
		return bad("n", "n is %d; it must be from 1 to %d", n, maxChoices)
	}
	p.n = int(n)
	return nil
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
		return p.syntax()
	}
	p.r.options = wire.Span{Start: start, End: p.sc.Pos()}
	return nil
}

// includeUsage reads a member of stream_options.
func (p *parser) includeUsage(name []byte) (err *llm.Error) {
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
	p.r.usage, err = p.boolean(param, &p.r.IncludeUsage)
	return err
}

// syntax returns the error for a body that is no JSON.
func (p *parser) syntax() *llm.Error {
	return bad("", "request body is not valid JSON: %v", p.sc.Err())
}

func bad(param, format string, args ...any) *llm.Error {
	return &llm.Error{Kind: llm.KindBadRequest, Param: param, Message: fmt.Sprintf(format, args...)}
}
