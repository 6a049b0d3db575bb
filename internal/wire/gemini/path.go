package gemini

import (
	"net/url"
	"slices"
	"strings"
)

// SplitPath splits the path of an operation on a model: what stands in front of the resource (the version: v1beta), the model's name, and
// the method (generateContent). The path may be escaped or not, and the model's name may have slashes and colons in
// it; the last colon separates the method. ok is false for any other path.
//
//	/v1beta/models/{m}:generateContent                                        {m}
//	/v1beta/tunedModels/{m}:generateContent                                   tunedModels/{m}
//	/v1/projects/{p}/locations/{l}/publishers/google/models/{m}:generateContent   {m}
//	/v1/publishers/{pub}/models/{m}:generateContent                           {pub}/{m}
//	/v1/projects/{p}/locations/{l}/endpoints/{e}:generateContent              endpoints/{e}
//	/v1beta/{account}/{m}:generateContent                                     {account}/{m}
//
// The longer forms are Vertex AI's. The SDKs in that mode write a name provider/model as publishers/{provider}/models/{model}
// (tModel of @google/genai 3.1.0), so the publisher is a part of the name, unless it is google.
func SplitPath(path string) (version, model, method string, ok bool) {
	if decoded, err := url.PathUnescape(path); err == nil {
		path = decoded
	}
	version, rest, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	at := strings.LastIndexByte(rest, ':')
	if !isVersion(version) || at < 0 {
		return "", "", "", false
	}
	resource, method := rest[:at], rest[at+1:]
	model, ok = modelOf(resource)
	if !ok || !isWord(method) {
		return "", "", "", false
	}
	return version, model, method, true
}

// modelOf returns the model's name that a resource stands for.
func modelOf(resource string) (model string, ok bool) {
	if rest, found := strings.CutPrefix(resource, "projects/"); found {
		_, rest, _ = strings.Cut(rest, "/") // behind the project
		rest, found = strings.CutPrefix(rest, "locations/")
		if !found {
			return "", false
		}
		_, resource, _ = strings.Cut(rest, "/")
	}
	if rest, found := strings.CutPrefix(resource, "publishers/"); found {
		publisher, rest, _ := strings.Cut(rest, "/")
		name, found := strings.CutPrefix(rest, "models/")
		if publisher != "google" {
			name = publisher + "/" + name
		}
		return name, found && publisher != "" && rest != "models/"
	}
	if name, found := strings.CutPrefix(resource, "models/"); found {
		return name, name != ""
	}
	for _, prefix := range []string{"tunedModels/", "endpoints/"} {
		if name, found := strings.CutPrefix(resource, prefix); found {
			return resource, name != ""
		}
	}
	// @ai-sdk/google (4.0.121, seen 2026-11-21) takes a name with a slash for a whole resource, and leaves the collection out.
	account, name, _ := strings.Cut(resource, "/")
	return resource, account != "" && name != "" && !slices.Contains(collections, account)
}

// collections are what stands first in resources that are no models (https://ai.google.dev/api, read 2026-11-21).
var collections = []string{"models", "publishers", "projects", "locations", "files", "cachedContents", "batches", "operations", "corpora", "fileSearchStores"}

// ResourceOf returns the resource of a model's name, as it stands in bodies and paths below the version: models/{name}, or
// the name itself if it is a resource already.
func ResourceOf(model string) string {
	for _, prefix := range []string{"models/", "tunedModels/", "projects/", "publishers/"} {
		if strings.HasPrefix(model, prefix) {
			return model
		}
	}
	return "models/" + model
}

// isVersion reports whether s is a version of the API: v1, v1beta, v1alpha, v1beta1.
func isVersion(s string) bool {
	if len(s) < 2 || s[0] != 'v' || s[1] < '0' || s[1] > '9' {
		return false
	}
	for _, c := range []byte(s[1:]) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// isWord reports whether s is made of letters.
func isWord(s string) bool {
	for _, c := range []byte(s) {
		if c|0x20 < 'a' || c|0x20 > 'z' {
			return false
		}
	}
	return s != ""
}
