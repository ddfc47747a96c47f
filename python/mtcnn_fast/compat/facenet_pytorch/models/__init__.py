"""The networks of facenet-pytorch: `mtcnn` finds faces, `inception_resnet_v1` tells them apart."""
