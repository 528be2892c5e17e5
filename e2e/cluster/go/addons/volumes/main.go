// Command volumes gives every claim of the test cluster a folder on the disk of the node that the
// scheduler chose, and removes the folder with the claim.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

// disks are folders of this machine: root/NODE/disk is what the node NAME keeps over a power loss.
type disks struct {
	root   string
	inside string // where a node sees its own volumes
}

func (d disks) folder(node, volume string) string {
	return filepath.Join(d.root, node, "disk", d.inside, volume)
}

func (d disks) Provision(_ context.Context, o controller.ProvisionOptions) (*v1.PersistentVolume, controller.ProvisioningState, error) {
	node := o.SelectedNodeName
	if node == "" {
		return nil, controller.ProvisioningFinished, fmt.Errorf("claim %s has no node: its storage class needs WaitForFirstConsumer", o.PVC.Name)
	}
	folder := d.folder(node, o.PVName)
	if err := os.MkdirAll(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	// Not what MkdirAll made of it under the umask: who may write is the pod's fsGroup to say.
	if err := os.Chmod(folder, 0o777); err != nil {
		return nil, controller.ProvisioningFinished, err
	}
	volume := &v1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: v1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      v1.ResourceList{v1.ResourceStorage: o.PVC.Spec.Resources.Requests[v1.ResourceStorage]},
			PersistentVolumeSource: v1.PersistentVolumeSource{
				Local: &v1.LocalVolumeSource{Path: filepath.Join(d.inside, o.PVName)},
			},
			NodeAffinity: &v1.VolumeNodeAffinity{Required: &v1.NodeSelector{
				NodeSelectorTerms: []v1.NodeSelectorTerm{{MatchExpressions: []v1.NodeSelectorRequirement{{
					Key: v1.LabelHostname, Operator: v1.NodeSelectorOpIn, Values: []string{node},
				}}}},
			}},
		},
	}
	return volume, controller.ProvisioningFinished, nil
}

func (d disks) Delete(_ context.Context, volume *v1.PersistentVolume) error {
	node := volume.Spec.NodeAffinity.Required.NodeSelectorTerms[0].MatchExpressions[0].Values[0]
	return os.RemoveAll(d.folder(node, volume.Name))
}

func main() {
	var kubeconfig, provisioner string
	var d disks
	flag.StringVar(&kubeconfig, "kubeconfig", "", "how to reach the API server")
	flag.StringVar(&provisioner, "provisioner", "", "its name in the storage class")
	flag.StringVar(&d.root, "root", "", "where the nodes' disks lie on this machine")
	flag.StringVar(&d.inside, "inside", "", "where a node sees its volumes")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		klog.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		klog.Fatal(err)
	}
	ctx := context.Background()
	controller.NewProvisionController(ctx, client, provisioner, d, controller.LeaderElection(false)).Run(ctx)
}
