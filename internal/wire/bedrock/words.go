package bedrock

import (
	"path"
	"strings"

	"sluice/internal/llm"
)

// finishOf reads a stop reason.
func finishOf(reason string) llm.Finish {
	switch reason {
	case "":
		return llm.FinishUnset
	case "end_turn":
		return llm.FinishStop
	case "stop_sequence":
		return llm.FinishSequence
	case "max_tokens":
		return llm.FinishLength
	case "model_context_window_exceeded":
		return llm.FinishContext
	case "tool_use":
		return llm.FinishTools
	case "guardrail_intervened", "content_filtered":
		return llm.FinishFilter
	}
	return llm.FinishOther // malformed_model_output, malformed_tool_use
}

// reasonOf returns the stop reason that a finish is told as. A reason of the same meaning goes through as it came.
func reasonOf(f llm.Finish, reason string) string {
	if reason != "" && finishOf(reason) == f && f != llm.FinishOther {
		return reason
	}
	switch f {
	case llm.FinishSequence:
		return "stop_sequence"
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishContext:
		return "model_context_window_exceeded"
	case llm.FinishTools:
		return "tool_use"
	case llm.FinishFilter:
		return "content_filtered"
	case llm.FinishOther:
		return "malformed_model_output"
	}
	return "end_turn"
}

// usage converts to OpenAI's way of counting. inputTokens leaves out what came from or went into the cache, and totalTokens is the
// sum of all four; an answer whose total is that of input and output alone counts the cache within its input.
func (u *usage) usage() llm.Usage {
	out := llm.Usage{Input: u.Input, CachedInput: u.CacheRead, CacheWrite: u.CacheWrite, Output: u.Output}
	if u.Total == 0 || u.Total != u.Input+u.Output {
		out.Input += u.CacheRead + u.CacheWrite
	}
	for _, d := range u.Details {
		if d.TTL != "5m" {
			out.CacheWriteLong += d.Tokens
		}
	}
	return out
}

// tierOf reads a service tier in OpenAI's words, which Bedrock shares but for reserved.
func tierOf(t *serviceTier) string {
	if t == nil {
		return ""
	}
	return t.Type
}

// appendTier appends the word for a service tier. auto says nothing.
func tierWord(tier string) string {
	switch tier {
	case "default", "flex", "priority", "reserved":
		return tier
	case "fast":
		return "priority"
	}
	return ""
}

// formats are Bedrock's names of media by their MIME types. The first row of a format is the one it is read as.
var formats = [...]struct{ mime, format string }{
	{"image/png", "png"},
	{"image/jpeg", "jpeg"},
	{"image/jpg", "jpeg"},
	{"image/gif", "gif"},
	{"image/webp", "webp"},
	{"application/pdf", "pdf"},
	{"text/csv", "csv"},
	{"application/msword", "doc"},
	{"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"},
	{"application/vnd.ms-excel", "xls"},
	{"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"},
	{"text/html", "html"},
	{"text/plain", "txt"},
	{"text/markdown", "md"},
	{"audio/mpeg", "mp3"},
	{"audio/mp3", "mp3"},
	{"audio/wav", "wav"},
	{"audio/x-wav", "wav"},
	{"audio/opus", "opus"},
	{"audio/aac", "aac"},
	{"audio/flac", "flac"},
	{"audio/ogg", "ogg"},
	{"audio/mp4", "mp4"},
	{"audio/webm", "webm"},
	{"audio/pcm", "pcm"},
}

// Format returns Bedrock's name for media of a MIME type, or else for the ending of a file's name; "" if it has none.
func Format(mime, name string) string {
	mime, _, _ = strings.Cut(mime, ";")
	for _, f := range formats {
		if strings.EqualFold(f.mime, strings.TrimSpace(mime)) {
			return f.format
		}
	}
	ending := strings.ToLower(strings.TrimPrefix(path.Ext(name), "."))
	for _, f := range formats {
		if f.format == ending {
			return ending
		}
	}
	return ""
}

// mimeOf returns the MIME type of a format; kind is what an unknown one is a part of.
func mimeOf(format, kind string) string {
	for _, f := range formats {
		if f.format == format {
			return f.mime
		}
	}
	return kind + "/" + format
}

// documentName returns a name as Bedrock takes it: letters, digits, single spaces, hyphens, parentheses and square brackets.
func documentName(name string) string {
	const most = 200
	b := make([]byte, 0, len(name))
	for _, c := range []byte(strings.TrimSuffix(name, path.Ext(name))) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-()[]", c) >= 0:
			b = append(b, c)
		case len(b) > 0 && b[len(b)-1] != ' ':
			b = append(b, ' ')
		}
		if len(b) == most {
			break
		}
	}
	if out := strings.TrimSpace(string(b)); out != "" {
		return out
	}
	return "document"
}
