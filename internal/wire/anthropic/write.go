package anthropic

import (
	"strconv"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// AppendAnswer appends a whole answer for a client: the first choice, which is the only one that the protocol has.
//
//   - The answer keeps an ID of this protocol (msg_...); otherwise it gets the head's.
//   - A refusal is a text, and the reason for the stop.
//   - Arguments of a tool call that are no JSON object, which a model may well write, are {"_raw":"..."}; none are {}. In a
//     stream they come as they were written.
//   - Signatures of other dialects are sealed: see seal.
//   - Texts with nothing in them are left out: the provider refuses them when the conversation goes on.
//   - Images, sounds, and parts of other dialects that have no word here are left out.
func AppendAnswer(dst []byte, a *llm.Answer, h *llm.Head) []byte {
	var c llm.Choice
	if len(a.Choices) > 0 {
		c = a.Choices[0]
	}
	dst = appendMessageHead(dst, a.ID, a.Model, h)
	open := len(dst)
	var tools, refused bool
	for i := range c.Parts {
		p := &c.Parts[i]
		tools = tools || p.Kind == llm.PartToolCall
		refused = refused || p.Kind == llm.PartRefusal
		dst = appendBlock(dst, p, toolID(p.ID, h, i), open)
	}
	reason := stopReason(c.Finish, tools, refused)
	dst = append(dst, `],"stop_reason":`...)
	dst = wire.AppendString(dst, reason)
	dst = appendStop(dst, reason, c.Stop)
	dst = append(dst, `,"container":null,"usage":`...)
	return append(appendUsage(dst, &a.Usage, a.ServiceTier), '}')
}

// appendMessageHead appends a message up to the beginning of its content.
func appendMessageHead(dst []byte, id, model string, h *llm.Head) []byte {
	if !strings.HasPrefix(id, "msg_") {
		id = "msg_" + h.ID
	}
	if h.Model != "" {
		model = h.Model
	}
	dst = append(dst, `{"id":`...)
	dst = wire.AppendString(dst, id)
	dst = append(dst, `,"type":"message","role":"assistant","model":`...)
	dst = wire.AppendString(dst, model)
	return append(dst, `,"content":[`...)
}

// appendStop appends what goes with a stop_reason.
func appendStop(dst []byte, reason, sequence string) []byte {
	dst = append(dst, `,"stop_sequence":`...)
	dst = appendNullable(dst, sequence)
	dst = append(dst, `,"stop_details":`...)
	if reason == "refusal" {
		return append(dst, `{"type":"refusal","category":null,"explanation":null}`...)
	}
	return append(dst, "null"...)
}

// toolID is the ID of a tool call at a place in the answer, where the provider may have given none.
func toolID(id string, h *llm.Head, place int) string {
	if id != "" {
		return id
	}
	return "toolu_" + h.ID + "_" + strconv.Itoa(place)
}

// appendBlock appends a part to the list of blocks that begins at open; nothing if the protocol has no block for it.
func appendBlock(dst []byte, p *llm.Part, id string, open int) []byte {
	before := len(dst)
	dst = comma(dst, open)
	empty := p.Text == ""
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		if empty {
			return dst[:before]
		}
		dst = append(dst, `{"type":"text","text":`...)
		dst = wire.AppendString(dst, p.Text)
		dst = append(dst, `,"citations":`...)
		dst = append(appendCitations(dst, p.Citations), '}')
	case llm.PartToolCall:
		dst = appendToolStart(dst, id, p.Name)
		dst = appendInputObject(dst, p)
		dst = append(dst, '}')
		if p.Signature != "" && p.Origin != llm.Anthropic {
			dst = appendSealed(append(dst, ','), p.Signature, p.Origin)
		}
	case llm.PartThinking:
		if empty && p.Signature == "" {
			return dst[:before]
		}
		dst = append(dst, `{"type":"thinking","thinking":`...)
		dst = wire.AppendString(dst, p.Text)
		dst = append(dst, `,"signature":`...)
		dst = append(wire.AppendString(dst, seal(sealPart, p.Signature, p.Origin)), '}')
	case llm.PartRedacted:
		dst = appendRedacted(dst, p.Signature, p.Origin)
	case llm.PartOther:
		if p.Origin != llm.Anthropic || p.Raw == "" {
			return dst[:before]
		}
		dst = append(dst, p.Raw...)
	default:
		return dst[:before]
	}
	return dst
}

// appendToolStart appends a tool_use block up to the value of its input.
func appendToolStart(dst []byte, id, name string) []byte {
	dst = append(dst, `{"type":"tool_use","id":`...)
	dst = appendToolID(dst, id)
	dst = append(dst, `,"name":`...)
	dst = wire.AppendString(dst, name)
	return append(dst, `,"caller":{"type":"direct"},"input":`...)
}

func appendRedacted(dst []byte, signature string, origin llm.Dialect) []byte {
	dst = append(dst, `{"type":"redacted_thinking","data":`...)
	return append(wire.AppendString(dst, seal(sealPart, signature, origin)), '}')
}

// appendCitations appends a text's citations, null for none.
func appendCitations(dst []byte, all []llm.Citation) []byte {
	if len(all) == 0 {
		return append(dst, "null"...)
	}
	dst = append(dst, '[')
	for i := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCitation(dst, &all[i])
	}
	return append(dst, ']')
}

// appendCitation appends a citation: of a page of the web, or of a document of which no more than its title is known. What of
// the text rests on it is not said: it belongs to the block. The provider would refuse such a citation that it has not made, so
// Request.AppendUpstream leaves it out of a conversation that goes on there: parser.citations knows it by what is empty.
func appendCitation(dst []byte, c *llm.Citation) []byte {
	if c.URL != "" {
		dst = append(dst, `{"type":"web_search_result_location","cited_text":`...)
		dst = wire.AppendString(dst, c.Quote)
		dst = append(dst, `,"url":`...)
		dst = wire.AppendString(dst, c.URL)
		dst = append(dst, `,"title":`...)
		dst = appendNullable(dst, c.Title)
		return append(dst, `,"encrypted_index":""}`...)
	}
	dst = append(dst, `{"type":"char_location","cited_text":`...)
	dst = wire.AppendString(dst, c.Quote)
	dst = append(dst, `,"document_index":0,"document_title":`...)
	dst = appendNullable(dst, c.Title)
	return append(dst, `,"start_char_index":0,"end_char_index":0,"file_id":null}`...)
}
