def write(found, work, output):
    print("TODO")
