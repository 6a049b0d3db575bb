package responses

import (
	"slices"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// appendItems appends turns as items of input, without the brackets of the list.
func appendItems(dst []byte, all []llm.Turn) []byte {
	l := list{dst: dst, start: len(dst)}
	for i := range all {
		switch t := &all[i]; t.Role {
		case llm.RoleAssistant:
			l.assistant(t.Parts)
		case llm.RoleTool:
			for j := range t.Parts {
				l.result(&t.Parts[j])
			}
		default:
			l.message(t.Role.String(), t.Parts, "input_text")
		}
	}
	return l.dst
}

// list is a list of items under way.
type list struct {
	dst    []byte
	start  int
	custom []string // ids of calls of custom tools: their results are items of another type
}

// begin appends the comma that an item wants in front.
func (l *list) begin() {
	if len(l.dst) > l.start {
		l.dst = append(l.dst, ',')
	}
}

// message appends a message of a role. Parts of other kinds than content are items of their own, in their place.
func (l *list) message(role string, parts []llm.Part, kind string) {
	for len(parts) > 0 {
		n := 0
		for n < len(parts) && isContent(&parts[n]) {
			n++
		}
		if n > 0 {
			l.begin()
			l.dst = append(l.dst, `{"type":"message","role":"`...)
			l.dst = append(l.dst, role...)
			l.dst = append(l.dst, `","content":[`...)
			l.dst = appendContent(l.dst, parts[:n], kind)
			l.dst = append(l.dst, `]}`...)
			parts = parts[n:]
			continue
		}
		l.other(&parts[0])
		parts = parts[1:]
	}
}

// isContent reports whether a part belongs into a message's content.
func isContent(p *llm.Part) bool {
	switch p.Kind {
	case llm.PartText, llm.PartImage, llm.PartFile, llm.PartAudio, llm.PartRefusal:
		return true
	}
	return p.Kind == llm.PartOther && p.Origin == llm.Responses && strings.HasPrefix(p.Name, "input_")
}

func (l *list) assistant(parts []llm.Part) { l.message("assistant", parts, "output_text") }

// other appends a part that is an item of its own. Thinking of other providers is left out: it means nothing here.
func (l *list) other(p *llm.Part) {
	switch {
	case p.Kind == llm.PartToolCall:
		l.call(p)
	case p.Kind == llm.PartToolResult:
		l.result(p)
	case isReasoning(p):
		l.reasoning(p)
	case p.Kind == llm.PartOther && p.Origin == llm.Responses:
		l.begin()
		l.dst = append(l.dst, p.Raw...)
	}
}

func (l *list) call(p *llm.Part) {
	l.begin()
	if p.Custom {
		l.custom = append(l.custom, p.ID)
		l.dst = append(l.dst, `{"type":"custom_tool_call","call_id":`...)
	} else {
		l.dst = append(l.dst, `{"type":"function_call","call_id":`...)
	}
	l.dst = wire.AppendString(l.dst, p.ID)
	l.dst = append(l.dst, `,"name":`...)
	l.dst = wire.AppendString(l.dst, p.Name)
	if p.Custom {
		l.dst = append(l.dst, `,"input":`...)
	} else {
		l.dst = append(l.dst, `,"arguments":`...)
	}
	l.dst = wire.AppendString(l.dst, p.Text)
	l.dst = append(l.dst, '}')
}

func (l *list) result(p *llm.Part) {
	l.begin()
	kind := "function_call_output"
	if p.Custom || slices.Contains(l.custom, p.ID) {
		kind = "custom_tool_call_output"
	}
	l.dst = append(l.dst, `{"type":"`...)
	l.dst = append(l.dst, kind...)
	l.dst = append(l.dst, `","call_id":`...)
	l.dst = wire.AppendString(l.dst, p.ID)
	l.dst = append(l.dst, `,"output":`...)
	switch {
	case len(p.Parts) == 0:
		l.dst = append(l.dst, `""`...)
	case len(p.Parts) == 1 && p.Parts[0].Kind == llm.PartText:
		l.dst = wire.AppendString(l.dst, p.Parts[0].Text)
	default:
		l.dst = append(l.dst, '[')
		l.dst = appendContent(l.dst, p.Parts, "input_text")
		l.dst = append(l.dst, ']')
	}
	l.dst = append(l.dst, '}')
}

func (l *list) reasoning(p *llm.Part) {
	l.begin()
	id, content := splitSignature(p.Signature)
	l.dst = append(l.dst, `{"type":"reasoning"`...)
	l.dst = appendText(l.dst, "id", id)
	l.dst = append(l.dst, `,"summary":[`...)
	if p.Text != "" {
		l.dst = append(l.dst, `{"type":"summary_text","text":`...)
		l.dst = append(wire.AppendString(l.dst, p.Text), '}')
	}
	l.dst = append(l.dst, ']')
	l.dst = appendText(l.dst, "encrypted_content", content)
	l.dst = append(l.dst, '}')
}

// appendContent appends parts as a list without its brackets; kind is the type of a text.
func appendContent(dst []byte, parts []llm.Part, kind string) []byte {
	start := len(dst)
	for i := range parts {
		before := len(dst)
		if before > start {
			dst = append(dst, ',')
		}
		open := len(dst)
		if dst = appendPart(dst, &parts[i], kind); len(dst) == open {
			dst = dst[:before]
		}
	}
	return dst
}

func appendPart(dst []byte, p *llm.Part, kind string) []byte {
	switch p.Kind {
	case llm.PartText:
		dst = append(dst, `{"type":"`...)
		dst = append(dst, kind...)
		dst = append(dst, `","text":`...)
		dst = wire.AppendString(dst, p.Text)
	case llm.PartRefusal:
		dst = append(dst, `{"type":"refusal","refusal":`...)
		dst = wire.AppendString(dst, p.Text)
	case llm.PartImage:
		detail := p.Detail
		if detail == "" {
			detail = "auto"
		}
		dst = append(dst, `{"type":"input_image"`...)
		dst = appendText(dst, "detail", detail)
		dst = appendSource(dst, p, "image_url", "image_url")
	case llm.PartFile:
		dst = append(dst, `{"type":"input_file"`...)
		name := p.Name
		if name == "" && p.Data != "" {
			name = "file" // the API wants one with data
		}
		dst = appendText(dst, "filename", name)
		dst = appendSource(dst, p, "file_url", "file_data")
	case llm.PartAudio:
		dst = append(dst, `{"type":"input_audio","input_audio":{"data":`...)
		dst = wire.AppendString(dst, p.Data)
		dst = append(dst, `,"format":`...)
		dst = append(wire.AppendString(dst, strings.TrimPrefix(p.MIME, "audio/")), '}')
	case llm.PartOther:
		return append(dst, p.Raw...)
	default:
		return dst
	}
	if p.CacheTTL != "" {
		dst = append(dst, `,"prompt_cache_breakpoint":{"mode":"explicit"`...)
		dst = append(appendText(dst, "ttl", p.CacheTTL), '}')
	}
	return append(dst, '}')
}

// appendSource appends where an image or a file is.
func appendSource(dst []byte, p *llm.Part, urlName, dataName string) []byte {
	switch {
	case p.Data != "":
		return appendText(dst, dataName, "data:"+p.MIME+";base64,"+p.Data)
	case p.URL != "":
		return appendText(dst, urlName, p.URL)
	}
	return appendText(dst, "file_id", p.FileID)
}
