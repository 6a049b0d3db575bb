package responses

import (
	"bytes"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Limits of what is kept of a request. What is over maxModel or maxID is refused; the others are for records and are cut, while
// the provider still gets what the client wrote.
const (
	maxModel = 512 // bytes of a model name
	maxID    = 256 // bytes of previous_response_id
	maxUser  = 256 // bytes of user that are kept
	maxTier  = 64  // bytes of service_tier that are kept
)

// Request is what Sluice reads of a request body, and the places that it may change. It belongs to the body that it was
// read from.
type Request struct {
	wire.Request
	Background   bool   // background
	Store        bool   // store; true if the client does not say
	PreviousID   string // previous_response_id
	Conversation bool   // there is a conversation that the provider keeps

	model  wire.Span // value of model
	input  wire.Span // value of input; empty if there is none
	sealed bool      // there are reasoning items in input that only Sluice can read
}

// ParseRequest validates body, which must be one JSON object, in one pass, and reads what Sluice needs. Fields that it
// does not read are not looked at but for their grammar: nothing else is refused here, the provider will judge. A field that is
// read must not be there twice, nor in another case: parsers differ in which of two values counts.
//
// op is OpChat, or OpCountTokens for a request whose input is to be counted. The error is of KindBadRequest, with the field in
// Param.
func ParseRequest(_ llm.Op, body []byte) (Request, *llm.Error) {
	p := parser{body: body}
	p.r.Choices, p.r.Store = 1, true
	p.sc.Reset(body)
	if err := p.object(); err != nil {
		return Request{}, err
	}
	return p.r, nil
}

// parser is one run of ParseRequest.
type parser struct {
	sc   wire.Scanner
	body []byte
	r    Request
	seen uint32 // bit by field
	safe string // safety_identifier
}

func (p *parser) object() *llm.Error {
	switch {
	case len(bytes.TrimSpace(p.body)) == 0:
		return bad("", "request body is empty; it must be a JSON object")
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
	}
	if !p.sc.End() {
		return p.syntax()
	}
	if p.seen&(1<<fieldModel) == 0 {
		return bad("model", "model is missing")
	}
	if p.r.User == "" {
		p.r.User = p.safe
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
	fieldUser
	fieldSafety
	fieldTier
	fieldBackground
	fieldStore
	fieldPrevious
	fieldConversation
	fieldInput
	fieldInstructions
	fieldTools
)

var fieldNames = [...]string{
	fieldModel: "model", fieldStream: "stream", fieldMaxTokens: "max_output_tokens", fieldUser: "user",
	fieldSafety: "safety_identifier", fieldTier: "service_tier", fieldBackground: "background", fieldStore: "store",
	fieldPrevious: "previous_response_id", fieldConversation: "conversation", fieldInput: "input",
	fieldInstructions: "instructions", fieldTools: "tools",
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
			return bad(fieldNames[f], "%q is written in another case; write %s", string(name), fieldNames[f])
		}
		p.sc.Value()
		return nil
	}
	if p.seen&(1<<f) != 0 {
		return bad(fieldNames[f], "%s is there twice", fieldNames[f])
	}
	p.seen |= 1 << f
	return p.read(f, fieldNames[f])
}

// read reads the value ahead as that of a field.
func (p *parser) read(f field, name string) *llm.Error {
	switch f {
	case fieldModel:
		return p.model()
	case fieldStream:
		return p.boolean(name, &p.r.Stream)
	case fieldMaxTokens:
		return p.tokens(name)
	case fieldUser:
		return p.text(name, maxUser, &p.r.User)
	case fieldSafety:
		return p.text(name, maxUser, &p.safe)
	case fieldTier:
		return p.text(name, maxTier, &p.r.ServiceTier)
	case fieldBackground:
		return p.boolean(name, &p.r.Background)
	case fieldStore:
		if p.sc.Kind() == wire.Null {
			p.sc.Value()
			return nil
		}
		return p.boolean(name, &p.r.Store)
	case fieldPrevious:
		return p.previous()
	case fieldConversation:
		p.r.Conversation = p.sc.Kind() != wire.Null
		p.sc.Value()
		return nil
	case fieldInput:
		return p.items()
	case fieldInstructions:
		p.r.InputBytes += p.size()
	default:
		p.r.InputBytes += p.sc.Value().Len() // schemas are shown to the model as text much like JSON
	}
	return nil // a fault in the grammar comes out at the end of the walk
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

func (p *parser) previous() *llm.Error {
	const name = "previous_response_id"
	if e := p.text(name, maxID+1, &p.r.PreviousID); e != nil {
		return e
	}
	if len(p.r.PreviousID) > maxID {
		return bad(name, "%s is longer than %d bytes", name, maxID)
	}
	return nil
}

// boolean reads a boolean or null, which counts as false.
func (p *parser) boolean(param string, v *bool) *llm.Error {
	k := p.sc.Kind()
	if k != wire.Bool && k != wire.Null && k != wire.Invalid {
		return bad(param, "%s is %s; it must be a boolean", param, k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.syntax()
	}
	*v = p.body[at.Start] == 't'
	return nil
}

// tokens reads a limit of tokens. A negative one counts as none.
func (p *parser) tokens(param string) *llm.Error {
	k := p.sc.Kind()
	if k != wire.Number && k != wire.Null && k != wire.Invalid {
		return bad(param, "%s is %s; it must be a whole number", param, k)
	}
	at := p.sc.Value()
	if p.sc.Err() != nil {
		return p.syntax()
	}
	if k == wire.Null {
		return nil
	}
	n, ok := wire.Int(at.Of(p.body))
	if !ok {
		return bad(param, "%s is %.32s; it must be a whole number", param, at.Of(p.body))
	}
	p.r.MaxTokens = max(n, 0)
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
		*v = wire.Clip(unquote(at.Of(p.body)), limit)
	}
	return nil
}

// syntax returns the error for a body that is no JSON.
func (p *parser) syntax() *llm.Error {
	return bad("", "request body is not valid JSON: %v", p.sc.Err())
}
