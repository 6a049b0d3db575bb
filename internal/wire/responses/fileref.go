package responses

import (
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// FileRefs returns the parts of a request's input that refer to uploaded files, in their order: of messages, and of what tools have
// put out. A body that cannot be read has none.
func FileRefs(body []byte) (refs []wire.FileRef) {
	top, ok := wire.Members(body, wire.Span{End: len(body)}, "input")
	if !ok {
		return nil
	}
	items, _ := wire.Elements(body, top[0])
	for i, item := range items {
		m, ok := wire.Members(body, item, "content", "output")
		if !ok {
			continue
		}
		for k, name := range [...]string{"content", "output"} {
			path := fmt.Sprintf("input[%d].%s", i, name)
			parts, list := wire.Elements(body, m[k])
			if !list { // the output of a computer is one object
				parts = []wire.Span{m[k]}
			}
			for j, part := range parts {
				ref, ok := fileRef(body, part)
				if !ok {
					continue
				}
				if ref.Path = path; list {
					ref.Path = fmt.Sprintf("%s[%d]", path, j)
				}
				refs = append(refs, ref)
			}
		}
	}
	return refs
}

// fileRef reads an input_file, an input_image or a computer_screenshot that names a file and has nothing else.
func fileRef(body []byte, at wire.Span) (ref wire.FileRef, ok bool) {
	m, ok := wire.Members(body, at, "type", "file_id", "file_data", "file_url", "image_url", "filename")
	if !ok || m[2].Len()+m[3].Len()+m[4].Len() > 0 {
		return ref, false
	}
	id, ok := wire.Text(m[1].Of(body))
	if !ok {
		return ref, false
	}
	member := "image_url"
	c := wire.Change{Drop: []string{"file_id", "file_data", "file_url", "image_url"}}
	switch kind := m[0].Of(body); {
	case wire.EqualString(kind, "input_image"), wire.EqualString(kind, "computer_screenshot"):
	case wire.EqualString(kind, "input_file"):
		member = "file_data"
	default:
		return ref, false
	}
	named := m[5].Len() > 0 || member == "image_url"
	return wire.FileRef{ID: id, At: at, Form: func(name, mime string) wire.FileForm {
		c := c
		if !named {
			c.Set = []llm.Member{{Name: "filename", Value: string(wire.AppendString(nil, name))}} // it is asked for with file_data
		}
		return wire.NewFileForm(at.Of(body), &c, member, "data:"+mime+";base64,")
	}}, true
}
