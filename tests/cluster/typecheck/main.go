// Says what the controller manager would write to the status of policies as status.typeChecking: go run . <kubeconfig>, with
// the policies as JSON on standard input. It prints the warnings as JSON.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	admissionregistration "k8s.io/api/admissionregistration/v1"
	"k8s.io/apiserver/pkg/admission/plugin/policy/validating"
	"k8s.io/apiserver/pkg/cel/openapi/resolver"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

// Set by the build, from go.mod.
var version = "unknown"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "--version" {
		fmt.Println(version)
		return
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check(err)
	client, err := discovery.NewDiscoveryClientForConfig(config)
	check(err)
	groups, err := restmapper.GetAPIGroupResources(client)
	check(err)
	checker := &validating.TypeChecker{
		SchemaResolver: &resolver.ClientDiscoveryResolver{Discovery: client},
		RestMapper:     restmapper.NewDiscoveryRESTMapper(groups),
	}
	var policies []admissionregistration.ValidatingAdmissionPolicy
	check(json.NewDecoder(os.Stdin).Decode(&policies))
	warnings := []admissionregistration.ExpressionWarning{}
	for i := range policies {
		warnings = append(warnings, checker.Check(&policies[i])...)
	}
	check(json.NewEncoder(os.Stdout).Encode(warnings))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
