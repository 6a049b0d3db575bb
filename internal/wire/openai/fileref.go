package openai

import (
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// FileRefs returns the parts of a chat request that refer to uploaded files, in their order. A body that cannot be read has none.
func FileRefs(body []byte) (refs []wire.FileRef) {
	top, ok := wire.Members(body, wire.Span{End: len(body)}, "messages")
	if !ok {
		return nil
	}
	messages, _ := wire.Elements(body, top[0])
	for i, message := range messages {
		content, ok := wire.Members(body, message, "content")
		if !ok {
			continue
		}
		parts, _ := wire.Elements(body, content[0])
		for j, part := range parts {
			if ref, ok := fileRef(body, part); ok {
				ref.Path = fmt.Sprintf("messages[%d].content[%d].file", i, j)
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// fileRef reads a part that is {"type":"file","file":{"file_id":"…"}}.
func fileRef(body []byte, part wire.Span) (ref wire.FileRef, ok bool) {
	m, ok := wire.Members(body, part, "type", "file")
	if !ok || !wire.EqualString(m[0].Of(body), "file") {
		return ref, false
	}
	at := m[1]
	m, ok = wire.Members(body, at, "file_id", "file_data", "filename")
	if !ok || m[1].Len() > 0 {
		return ref, false
	}
	id, ok := wire.Text(m[0].Of(body))
	named := m[2].Len() > 0
	return wire.FileRef{ID: id, At: at, Form: func(name, mime string) wire.FileForm {
		c := wire.Change{Drop: []string{"file_id", "file_data"}}
		if !named {
			c.Set = []llm.Member{{Name: "filename", Value: string(wire.AppendString(nil, name))}} // it is asked for with file_data
		}
		return wire.NewFileForm(at.Of(body), &c, "file_data", "data:"+mime+";base64,")
	}}, ok
}
