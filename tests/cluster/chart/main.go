// Renders a chart as Helm does: go run . <directory> <release> <namespace>, with values as JSON on standard input. It
// prints the rendered files by their names, as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
)

// Set by the build, from go.mod.
var version = "unknown"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version)
		return
	}
	values := map[string]any{}
	check(json.NewDecoder(os.Stdin).Decode(&values))
	chart, err := loader.Load(os.Args[1])
	check(err)
	release := chartutil.ReleaseOptions{Name: os.Args[2], Namespace: os.Args[3], IsInstall: true}
	scope, err := chartutil.ToRenderValues(chart, values, release, chartutil.DefaultCapabilities.Copy())
	check(err)
	files, err := engine.Render(chart, scope)
	check(err)
	check(json.NewEncoder(os.Stdout).Encode(files))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
