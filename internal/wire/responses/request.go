package responses

import (
	"sluice/internal/llm"
	"sluice/internal/wire"
)

// Limits of what is kept of a request. What is over maxID is refused; the others are for records and are cut,
// while the provider still gets what the client wrote.
const (
	maxID   = 256 // bytes of previous_response_id
	maxUser = 256 // bytes of user that are kept
	maxTier = 64  // bytes of service_tier that are kept
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
	if err := p.object(); err != nil {
		return Request{}, err
	}
	return p.r, nil
}

// parser is one run of ParseRequest.
type parser struct {
	sc   wire.Fields
	body []byte
	r    Request
	safe string // safety_identifier
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
		if err := p.read(field(f), fieldNames[f]); err != nil {
			return err
		}
	}
	if !p.sc.Has(int(fieldModel)) {
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

// read reads the value ahead as that of a field.
func (p *parser) read(f field, name string) (err *llm.Error) {
	switch f {
	case fieldModel:
		p.r.model, err = p.sc.Model(&p.r.Model)
		return err
	case fieldStream:
		return p.sc.Bool(name, &p.r.Stream)
	case fieldMaxTokens:
		return p.sc.Limit(name, &p.r.MaxTokens)
	case fieldUser:
		return p.sc.Text(name, maxUser, &p.r.User)
	case fieldSafety:
		return p.sc.Text(name, maxUser, &p.safe)
	case fieldTier:
		return p.sc.Text(name, maxTier, &p.r.ServiceTier)
	case fieldBackground:
		return p.sc.Bool(name, &p.r.Background)
	case fieldStore:
		if p.sc.Kind() == wire.Null {
			p.sc.Value()
			return nil
		}
		return p.sc.Bool(name, &p.r.Store)
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

func (p *parser) previous() *llm.Error {
	const name = "previous_response_id"
	if e := p.sc.Text(name, maxID+1, &p.r.PreviousID); e != nil {
		return e
	}
	if len(p.r.PreviousID) > maxID {
		return bad(name, "%s is longer than %d bytes", name, maxID)
	}
	return nil
}
