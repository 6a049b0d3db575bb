package responses

import (
	"encoding/json"
	"path"
	"strings"

	"sluice/internal/llm"
)

// part is one part of a message's content: the members of all the kinds that have a word.
type part struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Refusal  string `json:"refusal"`
	ImageURL string `json:"image_url"`
	Detail   string `json:"detail"`
	FileID   string `json:"file_id"`
	FileURL  string `json:"file_url"`
	FileData string `json:"file_data"`
	Filename string `json:"filename"`
	Audio    struct {
		Data   string `json:"data"`
		Format string `json:"format"`
	} `json:"input_audio"`
	Annotations []annotation `json:"annotations"`
	Logprobs    []logprob    `json:"logprobs"`
	Breakpoint  *struct {
		TTL string `json:"ttl"`
	} `json:"prompt_cache_breakpoint"`
}

// defaultTTL is how long a prompt is cached up to a breakpoint that does not say (PROVIDERS.md 1.2, 2026-11).
const defaultTTL = "30m"

// content reads the content of a message or of a tool's result: a text, or a list of parts.
func (d *decoder) content(value json.RawMessage, at string) []llm.Part {
	if len(value) == 0 || string(value) == "null" {
		d.err = bad(at, "%s is missing", at)
		return nil
	}
	if value[0] == '"' {
		p := llm.Part{Kind: llm.PartText}
		d.into(value, at, "a string or a list of parts", &p.Text)
		return []llm.Part{p}
	}
	var all []json.RawMessage
	if !d.into(value, at, "a string or a list of parts", &all) {
		return nil
	}
	parts := make([]llm.Part, 0, len(all))
	for i, v := range all {
		var p part
		if !d.into(v, index(at, i), "a part of a content", &p) {
			return nil
		}
		parts = append(parts, d.part(&p, v, index(at, i)))
	}
	return parts
}

// part reads one part.
func (d *decoder) part(p *part, v json.RawMessage, at string) (out llm.Part) {
	if p.Breakpoint != nil {
		out.CacheTTL = p.Breakpoint.TTL
		if out.CacheTTL == "" {
			out.CacheTTL = defaultTTL
		}
	}
	if isContentType(p.Type) {
		// annotations and logprobs are of an answer that is sent back.
		d.unknown(v, at, "type", "text", "refusal", "image_url", "detail", "file_id", "file_url", "file_data", "filename", "input_audio", "annotations", "logprobs",
			"prompt_cache_breakpoint")
	}
	switch p.Type {
	case "input_text", "output_text", "text", "summary_text":
		out.Kind, out.Text, out.Citations = llm.PartText, p.Text, citations(p.Annotations, p.Text)
	case "refusal":
		out.Kind, out.Text = llm.PartRefusal, p.Refusal
	case "input_image":
		out.Kind, out.Detail = llm.PartImage, p.Detail
		d.source(&out, p.ImageURL, p.FileID, at, "image_url")
	case "input_file":
		out.Kind, out.Name = llm.PartFile, p.Filename
		d.file(&out, p, at)
	case "input_audio":
		if p.Audio.Data == "" {
			d.err = bad(at+".input_audio.data", "%s.input_audio.data is missing", at)
		}
		out.Kind, out.Data, out.MIME = llm.PartAudio, p.Audio.Data, "audio/"+p.Audio.Format
	case "":
		d.err = bad(at+".type", "%s has no type", at)
	default:
		out.Kind, out.Name, out.Raw, out.Origin = llm.PartOther, p.Type, string(v), llm.Responses
	}
	return out
}

// isContentType reports whether a part of a type is read member by member; others are kept as they are.
func isContentType(kind string) bool {
	switch kind {
	case "input_text", "output_text", "text", "summary_text", "refusal", "input_image", "input_file", "input_audio":
		return true
	}
	return false
}

// source reads where an image or a file is: at an address, in the address as data, or with the provider.
func (d *decoder) source(out *llm.Part, url, fileID, at, param string) {
	switch {
	case strings.HasPrefix(url, "data:"):
		mime, data, ok := dataURL(url)
		if !ok {
			d.err = bad(at+"."+param, "%s.%s is a data URL of another form than data:<type>;base64,<data>", at, param)
		}
		out.MIME, out.Data = mime, data
	case url != "":
		out.URL = url
	case fileID != "":
		out.FileID, out.Origin = fileID, llm.Responses
	default:
		d.err = bad(at, "%s has neither %s nor file_id", at, param)
	}
}

func (d *decoder) file(out *llm.Part, p *part, at string) {
	switch {
	case p.FileData == "":
		d.source(out, p.FileURL, p.FileID, at, "file_url")
	case strings.HasPrefix(p.FileData, "data:"):
		d.source(out, p.FileData, "", at, "file_data")
	default:
		out.MIME, out.Data = mimeOf(p.Filename), p.FileData
	}
}

// dataURL reads a data URL in base64.
func dataURL(url string) (mime, data string, ok bool) {
	head, data, ok := strings.Cut(strings.TrimPrefix(url, "data:"), ",")
	if !ok || !strings.HasSuffix(head, ";base64") {
		return "", "", false
	}
	mime, _, _ = strings.Cut(head, ";")
	return mime, data, mime != "" && data != ""
}

// mimeOf returns the media type of a file by its name. Most files that are sent are PDF.
func mimeOf(name string) string {
	switch strings.ToLower(path.Ext(name)) {
	case ".txt":
		return "text/plain"
	case ".md":
		return "text/markdown"
	case ".csv":
		return "text/csv"
	case ".html", ".htm":
		return "text/html"
	case ".json":
		return "application/json"
	case ".docx":
		return "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
	case ".xlsx":
		return "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
	default:
		return "application/pdf"
	}
}

// annotation is where a part of a text comes from.
type annotation struct {
	Type     string `json:"type"`
	URL      string `json:"url"`
	Title    string `json:"title"`
	Start    int    `json:"start_index"`
	End      int    `json:"end_index"`
	Filename string `json:"filename"`
	Index    int    `json:"index"`
}

// citation returns what an annotation says. ok is false for kinds without a word. text is what it stands in, as far as it is
// known.
func (a *annotation) citation(text string) (c llm.Citation, ok bool) {
	switch a.Type {
	case "url_citation":
		return llm.Citation{URL: a.URL, Title: a.Title, Start: byteAt(text, a.Start), End: byteAt(text, a.End)}, true
	case "file_citation", "container_file_citation":
		end := a.Index
		if a.End > 0 {
			end = a.End
		}
		return llm.Citation{Title: a.Filename, Start: byteAt(text, a.Start), End: byteAt(text, end)}, true
	}
	return c, false
}

func citations(all []annotation, text string) (out []llm.Citation) {
	for i := range all {
		if c, ok := all[i].citation(text); ok {
			out = append(out, c)
		}
	}
	return out
}

// byteAt returns where the n-th character of text begins; its length if there are fewer.
func byteAt(text string, n int) int {
	if n <= 0 {
		return 0
	}
	for i := range text {
		if n == 0 {
			return i
		}
		n--
	}
	return len(text)
}
