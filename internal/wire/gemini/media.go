package gemini

import (
	"path"
	"strings"

	"sluice/internal/llm"
	"sluice/internal/wire"
)

// appendMedia appends an image, a file or a recording: as inlineData if its data is there, also in a data URL, otherwise as
// fileData by its address or id. It appends nothing if there is none of these.
func appendMedia(dst []byte, p *llm.Part, signature string) []byte {
	mime, data, uri := p.MIME, p.Data, p.URL
	if rest, ok := strings.CutPrefix(uri, "data:"); ok && data == "" {
		if kind, encoded, found := strings.Cut(rest, ";base64,"); found {
			kind, _, _ = strings.Cut(kind, ";") // parameters
			mime, data = kind, encoded
		}
	}
	if p.FileID != "" && p.Origin == llm.Gemini {
		uri = p.FileID
	}
	switch {
	case data != "":
		dst = append(dst, `{"inlineData":{"mimeType":`...)
		dst = wire.AppendString(dst, mimeOf(mime, p.Name, p.Kind))
		dst = append(dst, `,"data":`...)
		dst = wire.AppendString(dst, data)
	case uri != "":
		dst = append(dst, `{"fileData":{"mimeType":`...)
		dst = wire.AppendString(dst, mimeOf(mime, uri, p.Kind))
		dst = append(dst, `,"fileUri":`...)
		dst = wire.AppendString(dst, uri)
	default:
		return dst
	}
	dst = append(dst, '}')
	return append(appendSignature(dst, signature), '}')
}

// mimeOf returns the MIME type of media: the one that is stated, or else by the ending of its name or address, or else the
// most common of its kind.
func mimeOf(mime, name string, kind llm.PartKind) string {
	if mime != "" {
		return mime
	}
	name, _, _ = strings.Cut(name, "?")
	ending := strings.ToLower(path.Ext(name))
	for _, m := range mimes {
		if m.ending == ending {
			return m.mime
		}
	}
	if strings.Contains(name, "youtube.com/") || strings.Contains(name, "youtu.be/") {
		return "video/*"
	}
	switch kind {
	case llm.PartImage:
		return "image/jpeg"
	case llm.PartAudio:
		return "audio/wav"
	default:
		return "application/pdf"
	}
}

// mimes are the types that Gemini reads, by the usual endings. The table is never written.
var mimes = [...]struct{ ending, mime string }{
	{".png", "image/png"},
	{".jpg", "image/jpeg"},
	{".jpeg", "image/jpeg"},
	{".webp", "image/webp"},
	{".heic", "image/heic"},
	{".heif", "image/heif"},
	{".gif", "image/gif"},
	{".pdf", "application/pdf"},
	{".txt", "text/plain"},
	{".md", "text/markdown"},
	{".html", "text/html"},
	{".csv", "text/csv"},
	{".json", "application/json"},
	{".wav", "audio/wav"},
	{".mp3", "audio/mp3"},
	{".aiff", "audio/aiff"},
	{".aac", "audio/aac"},
	{".ogg", "audio/ogg"},
	{".flac", "audio/flac"},
	{".mp4", "video/mp4"},
	{".mpeg", "video/mpeg"},
	{".mov", "video/mov"},
	{".webm", "video/webm"},
}
