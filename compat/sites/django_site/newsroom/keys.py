def reversed_key(key, prefix, version):
    return f"{version}-{prefix}-{key[::-1]}"
