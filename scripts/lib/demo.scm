; What scripts/demo has GIMP do. Each step is a GIMP run of its own.

(define (demo-load file)
  (car (gimp-file-load RUN-NONINTERACTIVE file)))

(define (demo-layers image)
  (vector->list (car (gimp-image-get-layers image))))

; The photograph is the lowest layer, those that the plug-in adds stand above it.
(define (demo-photograph image)
  (vector (car (reverse (demo-layers image)))))

(define (demo-show-additions image visible)
  (for-each (lambda (layer) (gimp-item-set-visible layer visible))
            (cdr (reverse (demo-layers image)))))

(define (demo-export image file)
  (let ((copy (car (gimp-image-duplicate image))))
    (gimp-image-merge-visible-layers copy CLIP-TO-IMAGE)
    (gimp-file-save RUN-NONINTERACTIVE copy file)
    (gimp-image-delete copy)))

; The photograph with its lake selected, the selection's edge soft.
(define (demo-picture photo)
  (let ((image (demo-load photo)))
    (gimp-image-scale image 800 450)
    (gimp-image-select-polygon image CHANNEL-OP-REPLACE #(0 347 800 345 800 450 0 450))
    (gimp-selection-feather image 8)
    image))

(define (demo-open photo folder)
  (let ((image (demo-picture photo)))
    (demo-export image (string-append folder "/before.png"))
    (gimp-xcf-save 0 image (string-append folder "/result.xcf"))))

(define (demo-fill folder prompt seed)
  (let* ((file  (string-append folder "/result.xcf"))
         (image (demo-load file)))
    (plug-in-palimpsest-fill #:run-mode RUN-NONINTERACTIVE #:image image
                             #:drawables (demo-photograph image) #:prompt prompt #:seed seed)
    (demo-export image (string-append folder "/fill.png"))
    (gimp-xcf-save 0 image file)))

(define (demo-restyle folder prompt seed)
  (let* ((file  (string-append folder "/result.xcf"))
         (image (demo-load file)))
    (gimp-selection-none image)
    (demo-show-additions image FALSE)
    (plug-in-palimpsest-restyle #:run-mode RUN-NONINTERACTIVE #:image image
                                #:drawables (demo-photograph image) #:prompt prompt #:seed seed)
    (demo-export image (string-append folder "/restyle.png"))
    (demo-show-additions image TRUE)
    (gimp-xcf-save 0 image file)))

; The dialog over the open photograph, to be photographed itself.
(define (demo-dialog photo prompt)
  (let ((image (demo-picture photo)))
    (gimp-display-new image)
    (plug-in-palimpsest-fill #:run-mode RUN-INTERACTIVE #:image image
                             #:drawables (demo-photograph image) #:prompt prompt)))

; The same for any of the procedures, on a small picture where runs are short.
(define (demo-purpose procedure photo prompt)
  (let ((image (demo-picture photo)))
    (gimp-image-scale image 512 288)
    (gimp-display-new image)
    (procedure #:run-mode RUN-INTERACTIVE #:image image
               #:drawables (demo-photograph image) #:prompt prompt)))
