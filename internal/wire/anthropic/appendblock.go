package anthropic

import (
	"encoding/base64"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// turnEncoder writes the turns of a chat.
type turnEncoder struct{ chat *llm.Chat }

// isSystem reports whether a turn belongs to system.
func isSystem(t *llm.Turn) bool { return t.Role == llm.RoleSystem || t.Role == llm.RoleDeveloper }

// talks reports whether anybody but the system says something.
func (e *turnEncoder) talks() bool {
	for i := range e.chat.Messages {
		if !isSystem(&e.chat.Messages[i]) {
			return true
		}
	}
	return false
}

// system returns the blocks of all system turns.
func (e *turnEncoder) system() (out []byte) {
	for i := range e.chat.Messages {
		t := &e.chat.Messages[i]
		if !isSystem(t) {
			continue
		}
		for j := range t.Parts {
			if p := &t.Parts[j]; p.Kind == llm.PartText {
				out = appendText(out, p, p.Text, 0)
			}
		}
	}
	return out
}

// messages appends the messages, separated by commas.
func (e *turnEncoder) messages(dst []byte) []byte {
	list := len(dst)
	all := e.chat.Messages
	for i := 0; i < len(all); {
		if isSystem(&all[i]) {
			i++
			continue
		}
		assistant := all[i].Role == llm.RoleAssistant
		end := i
		for end < len(all) && (isSystem(&all[end]) || (all[end].Role == llm.RoleAssistant) == assistant) {
			end++
		}
		before := len(dst)
		dst = comma(dst, list)
		role := `{"role":"user","content":[`
		if assistant {
			role = `{"role":"assistant","content":[`
		}
		dst = append(dst, role...)
		open := len(dst)
		dst = e.blocks(dst, all[i:end], assistant && end == len(all))
		if len(dst) == open {
			dst = dst[:before]
		} else {
			dst = append(dst, `]}`...)
		}
		i = end
	}
	return dst
}

// blocks appends the blocks of turns that become one message: results of tools first. last says that the message is an
// assistant's that the model goes on with.
func (e *turnEncoder) blocks(dst []byte, turns []llm.Turn, last bool) []byte {
	open := len(dst)
	for _, results := range [...]bool{true, false} {
		for i := range turns {
			if isSystem(&turns[i]) {
				continue
			}
			for j := range turns[i].Parts {
				p := &turns[i].Parts[j]
				if (p.Kind == llm.PartToolResult) != results {
					continue
				}
				if final := last && i == len(turns)-1 && j == len(turns[i].Parts)-1; final && p.Kind == llm.PartText {
					dst = appendText(dst, p, strings.TrimRight(p.Text, " \t\r\n"), open)
					continue
				}
				dst = appendPart(dst, p, open)
			}
		}
	}
	return dst
}

// appendPart appends a part to the list of blocks that begins at open; nothing if it cannot be expressed.
func appendPart(dst []byte, p *llm.Part, open int) []byte {
	switch p.Kind {
	case llm.PartText, llm.PartRefusal:
		return appendText(dst, p, p.Text, open)
	case llm.PartImage:
		return appendMedia(dst, p, "image", open)
	case llm.PartFile:
		return appendMedia(dst, p, "document", open)
	case llm.PartToolCall:
		dst = append(comma(dst, open), `{"type":"tool_use","id":`...)
		dst = appendToolID(dst, p.ID)
		dst = append(dst, `,"name":`...)
		dst = wire.AppendString(dst, p.Name)
		dst = append(dst, `,"input":`...)
		dst = appendInputObject(dst, p)
		return append(appendCache(dst, p.CacheTTL), '}')
	case llm.PartToolResult:
		return appendResult(dst, p, open)
	case llm.PartThinking:
		if p.Origin != llm.Anthropic || p.Signature == "" {
			return dst
		}
		dst = append(comma(dst, open), `{"type":"thinking","thinking":`...)
		dst = wire.AppendString(dst, p.Text)
		dst = append(dst, `,"signature":`...)
		return append(wire.AppendString(dst, p.Signature), '}')
	case llm.PartRedacted:
		if p.Origin != llm.Anthropic {
			return dst
		}
		dst = append(comma(dst, open), `{"type":"redacted_thinking","data":`...)
		return append(wire.AppendString(dst, p.Signature), '}')
	case llm.PartOther:
		if p.Origin == llm.Anthropic {
			return append(comma(dst, open), p.Raw...)
		}
	}
	return dst
}

// appendText appends a text block, unless there is nothing to read in it.
func appendText(dst []byte, p *llm.Part, text string, open int) []byte {
	if strings.TrimSpace(text) == "" {
		return dst
	}
	dst = append(comma(dst, open), `{"type":"text","text":`...)
	dst = wire.AppendString(dst, text)
	return append(appendCache(dst, p.CacheTTL), '}')
}

// appendToolID appends the ID of a tool call. The provider takes letters, digits, _ and - only; other bytes become _, in a
// call and in its result alike.
func appendToolID(dst []byte, id string) []byte {
	dst = append(dst, '"')
	for i := range len(id) {
		c := id[i]
		if c != '-' && !wire.Alnum(c) {
			c = '_'
		}
		dst = append(dst, c)
	}
	return append(dst, '"')
}

// appendInputObject appends the arguments of a tool call, which must be an object here. None are an empty one. Free text is
// the member input; what is no object, which a model may well write, is the member _raw, as text.
func appendInputObject(dst []byte, p *llm.Part) []byte {
	name := `{"_raw":`
	switch text := strings.TrimSpace(p.Text); {
	case p.Custom:
		name = `{"input":`
	case text == "" || text == "null":
		return append(dst, `{}`...)
	case text[0] == '{' && wire.Valid([]byte(text)):
		return append(dst, text...)
	}
	dst = append(dst, name...)
	return append(wire.AppendString(dst, p.Text), '}')
}

// appendResult appends the result of a tool.
func appendResult(dst []byte, p *llm.Part, open int) []byte {
	dst = append(comma(dst, open), `{"type":"tool_result","tool_use_id":`...)
	dst = appendToolID(dst, p.ID)
	before := len(dst)
	dst = append(dst, `,"content":[`...)
	list := len(dst)
	for i := range p.Parts {
		dst = appendPart(dst, &p.Parts[i], list)
	}
	if len(dst) == list {
		dst = dst[:before]
	} else {
		dst = append(dst, ']')
	}
	if p.IsError {
		dst = append(dst, `,"is_error":true`...)
	}
	return append(appendCache(dst, p.CacheTTL), '}')
}

// appendMedia appends an image or a document; nothing if there is no source that the provider can read.
func appendMedia(dst []byte, p *llm.Part, kind string, open int) []byte {
	before := len(dst)
	dst = append(comma(dst, open), `{"type":"`...)
	dst = append(dst, kind...)
	dst = append(dst, `","source":`...)
	mime, data := p.MIME, p.Data
	if data == "" {
		mime, data = dataURI(p.URL, mime)
	}
	switch {
	case data != "" && kind == "document" && isText(mime):
		text, err := base64.StdEncoding.DecodeString(data)
		if err != nil || len(text) == 0 {
			return dst[:before]
		}
		dst = append(dst, `{"type":"text","media_type":"text/plain","data":`...)
		dst = append(wire.AppendString(dst, text), '}')
	case data != "":
		dst = append(dst, `{"type":"base64","media_type":`...)
		dst = wire.AppendString(dst, mimeOf(mime, kind))
		dst = append(dst, `,"data":`...)
		dst = append(wire.AppendString(dst, data), '}')
	case p.URL != "" && !strings.HasPrefix(p.URL, "data:"):
		dst = append(dst, `{"type":"url","url":`...)
		dst = append(wire.AppendString(dst, p.URL), '}')
	case p.FileID != "" && p.Origin == llm.Anthropic:
		dst = append(dst, `{"type":"file","file_id":`...)
		dst = append(wire.AppendString(dst, p.FileID), '}')
	default:
		return dst[:before]
	}
	if kind == "document" && p.Name != "" {
		dst = append(dst, `,"title":`...)
		dst = wire.AppendString(dst, p.Name)
	}
	return append(appendCache(dst, p.CacheTTL), '}')
}

// dataURI returns what a data URI in base64 holds; data is empty for any other address.
func dataURI(uri, otherwise string) (mime, data string) {
	rest, ok := strings.CutPrefix(uri, "data:")
	if !ok {
		return otherwise, ""
	}
	head, data, ok := strings.Cut(rest, ",")
	head, encoded := strings.CutSuffix(head, ";base64")
	if !ok || !encoded {
		return otherwise, ""
	}
	mime, _, _ = strings.Cut(head, ";")
	return mime, data
}

// isText reports whether a document of a type can be given as text.
func isText(mime string) bool {
	mime, _, _ = strings.Cut(mime, ";")
	return strings.HasPrefix(mime, "text/") || mime == "application/json" || mime == "application/xml" || strings.HasSuffix(mime, "+json") || strings.HasSuffix(mime, "+xml")
}

// mimeOf returns a media type as the provider spells it. Without one, a document is a PDF, which is all that there is.
func mimeOf(mime, kind string) string {
	switch {
	case mime == "image/jpg":
		return "image/jpeg"
	case mime == "" && kind == "document":
		return "application/pdf"
	}
	return mime
}
