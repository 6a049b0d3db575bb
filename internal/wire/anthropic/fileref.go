package anthropic

import (
	"fmt"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// FileRefs returns the sources of a request's images and documents that refer to uploaded files, in their order, those in results of
// tools included. A body that cannot be read has none.
func FileRefs(body []byte) (refs []wire.FileRef) {
	top, ok := wire.Members(body, wire.Span{End: len(body)}, "messages")
	if !ok {
		return nil
	}
	messages, _ := wire.Elements(body, top[0])
	for i, message := range messages {
		if m, ok := wire.Members(body, message, "content"); ok {
			refs = fileRefs(refs, body, m[0], fmt.Sprintf("messages[%d].content", i), 0)
		}
	}
	return refs
}

// maxInside is how deeply blocks that hold blocks are looked into: documents in results of tools, and their content.
const maxInside = 3

// fileRefs adds those in a list of blocks.
func fileRefs(refs []wire.FileRef, body []byte, content wire.Span, path string, depth int) []wire.FileRef {
	if depth > maxInside {
		return refs
	}
	blocks, _ := wire.Elements(body, content)
	for i, block := range blocks {
		m, ok := wire.Members(body, block, "type", "source", "content")
		if !ok {
			continue
		}
		here := fmt.Sprintf("%s[%d]", path, i)
		switch kind := m[0].Of(body); {
		case wire.EqualString(kind, "tool_result"):
			refs = fileRefs(refs, body, m[2], here+".content", depth+1)
		case wire.EqualString(kind, "image"), wire.EqualString(kind, "document"):
			source, ok := wire.Members(body, m[1], "type", "file_id", "content")
			switch {
			case !ok:
			case wire.EqualString(source[0].Of(body), "content"):
				refs = fileRefs(refs, body, source[2], here+".source.content", depth+1)
			case wire.EqualString(source[0].Of(body), "file"):
				if id, ok := wire.Text(source[1].Of(body)); ok {
					document := wire.EqualString(kind, "document")
					refs = append(refs, wire.FileRef{ID: id, At: m[1], Path: here + ".source", Form: fileForm(m[1].Of(body), document)})
				}
			}
		}
	}
	return refs
}

// fileForm returns the forms of a source. A document is either text or base64 of a type that the provider knows (PDF): PROVIDERS.md 2.1.
func fileForm(source []byte, document bool) func(name, mime string) wire.FileForm {
	return func(_, mime string) wire.FileForm {
		kind, text := "base64", document && (isText(mime) || mime == "application/jsonl")
		if text {
			kind, mime = "text", "text/plain"
		}
		f := wire.NewFileForm(source, &wire.Change{Drop: []string{"file_id", "data"}, Set: []llm.Member{
			{Name: "type", Value: string(wire.AppendString(nil, kind))},
			{Name: "media_type", Value: string(wire.AppendString(nil, mimeOf(mime, "")))},
		}}, "data", "")
		f.Text = text
		return f
	}
}
